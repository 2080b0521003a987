/* A number, or the wait for one, handed to another program in the same session. */
#include <errno.h>
#include <string.h>
#include "recipe/sequence.h"

bool sequence_save(const Sequence *s, SavedWriter *w)
{
        saved_put(w, "pool", s->pool);
        saved_put(w, "id", s->id);
        saved_put_number(w, "attempts", s->attempts);
        switch (s->state) {
        case SEQUENCE_IDLE:
        case SEQUENCE_RELEASED:
        case SEQUENCE_FAILED:
                saved_put(w, "recipe", "idle");
                return true;
        case SEQUENCE_RECORDS:
        case SEQUENCE_PARENTS:
        case SEQUENCE_TICKET:
        case SEQUENCE_POOL:
        case SEQUENCE_WAIT:
                saved_put(w, "recipe", "wait");
                saved_put(w, "line-node", s->ticket_made ? s->ticket : NULL);
                break;
        case SEQUENCE_HELD:
                if (s->claim.state != CLAIM_HELD)
                        return false;
                saved_put(w, "recipe", "held");
                saved_put_number(w, "number", s->number);
                claim_save(&s->claim, w);
                break;
        case SEQUENCE_CLAIM:
        case SEQUENCE_LOST:
        case SEQUENCE_CLEAN:
                return false;
        }
        return s->want && !s->under_way && s->claim_maybe == (s->state == SEQUENCE_HELD);
}

static int restore_held(Sequence *s, const Saved *saved)
{
        int r = claim_restore(&s->claim, saved, s->records);

        if (r < 0)
                return r;
        s->number = saved_get_number(saved, "number", UINT64_MAX);
        if (s->number == UINT64_MAX)
                return -EBADMSG;
        s->claim_maybe = s->node_lives = true;
        s->state = SEQUENCE_HELD;
        return 0;
}

int sequence_restore(Sequence *s, const Saved *saved)
{
        const char *recipe = saved_get(saved, "recipe"), *pool = saved_get(saved, "pool");
        bool held = recipe && strcmp(recipe, "held") == 0;
        uint64_t attempts = saved_get_number(saved, "attempts", UINT64_MAX);

        if (!pool || strcmp(pool, s->pool) != 0 || attempts > UINT32_MAX ||
                !saved_copy(saved, "id", s->id, sizeof(s->id)))
                return -EBADMSG;
        s->attempts = (unsigned)attempts;
        if (recipe && strcmp(recipe, "idle") == 0)
                return 0;
        if (!held && (!recipe || strcmp(recipe, "wait") != 0))
                return -EBADMSG;
        s->want = true;
        if (held)
                return restore_held(s, saved);
        s->ticket_maybe = true; /* it is found by its id */
        s->state = SEQUENCE_RECORDS;
        return 0;
}
