#include "recipe/lock-text.h"

#include <stdio.h>
#include <string.h>

const char *lock_text_of_state(enum LockState state)
{
        switch (state) {
        case LOCK_IDLE:
                return "idle";
        case LOCK_QUEUE:
                return "in line";
        case LOCK_CLAIM:
                return "claiming";
        case LOCK_HELD:
                return "held";
        case LOCK_LOST:
                return "lost";
        case LOCK_CLEAN:
                return "cleaning up";
        case LOCK_LEAVE:
                return "leaving the line";
        case LOCK_RELEASED:
                return "released";
        case LOCK_FAILED:
                return "failed";
        }
        return "?";
}

/* In an election the record says who leads, and those who wait behind each other have a name only. */
static bool describe_leader(const Lock *l, char *text, size_t size)
{
        char who[120];

        if (!l->elects || !successor_describe_holder(&l->successor, who, sizeof(who)))
                return false;
        if (l->contend.state == CONTEND_FRONT)
                snprintf(text, size, "led by %s; next in line", who);
        else
                snprintf(text, size, "position %zu in line, led by %s", l->contend.position, who);
        return true;
}

static void describe(const Lock *l, uint64_t now_usec, char *text, size_t size)
{
        const Contend *c = &l->contend;

        if (successor_is_wedged(&l->successor))
                successor_describe(&l->successor, now_usec, text, size);
        else if (describe_leader(l, text, size))
                return;
        else if (c->state == CONTEND_FRONT)
                successor_describe(&l->successor, now_usec, text, size);
        else
                contend_describe(c, text, size);
}

void lock_text_tell(Lock *l, uint64_t now_usec, Effects *effects)
{
        char text[sizeof(l->waiting)];
        Effect *effect;

        if (l->state != LOCK_QUEUE)
                return;
        if (l->contend.state == CONTEND_FRONT ? !l->successor.active : l->contend.state != CONTEND_BEHIND)
                return;
        if ((l->elects || l->contend.state == CONTEND_FRONT) && !successor_is_settled(&l->successor))
                return; /* soon there is more to say */
        describe(l, now_usec, text, sizeof(text));
        if (strcmp(text, l->waiting) == 0)
                return;
        strcpy(l->waiting, text);
        effect = effects_append(effects, EFFECT_WAITING);
        strcpy(effect->waiting.text, text);
        effect->waiting.first = l->contend.state == CONTEND_FRONT;
}
