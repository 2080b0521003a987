/* A lock, or a leadership, handed to another program in the same session. */
#include "recipe/lock-save.h"

#include <errno.h>
#include <string.h>
#include "recipe/lock-ask.h"

/* Of one holder: what has stood unchanged goes on counting, as the clock does. */
static void save_sight(const Successor *s, SavedWriter *w)
{
        const Sight *sight = &s->sights[0];

        if (!s->active || s->kind != SUCCESSOR_ONE || s->n_sights != 1 || !sight->known)
                return;
        saved_put(w, "sight-grant", sight->grant);
        saved_put_signed(w, "sight-version", sight->version);
        saved_put_number(w, "sight-since-usec", sight->since_usec);
        saved_put_number(w, "sight-wait-usec", sight->wait_usec);
}

/* It is read again before it counts: a renewal in between has made another version. */
static void restore_sight(Successor *s, const Saved *saved)
{
        Sight sight = {.version = (int32_t)saved_get_signed(saved, "sight-version", -1),
                .since_usec = saved_get_number(saved, "sight-since-usec", UINT64_MAX),
                .wait_usec = saved_get_number(saved, "sight-wait-usec", UINT64_MAX),
                .known = true,
                .stale = true};

        if (sight.version < 0 || sight.since_usec == UINT64_MAX || sight.wait_usec == UINT64_MAX ||
                !saved_copy(saved, "sight-grant", sight.grant, sizeof(sight.grant)))
                return;
        s->kind = SUCCESSOR_ONE;
        s->sights[0] = sight;
        s->n_sights = 1;
        s->active = s->read_record = true; /* the watches are gone, as after an expiry */
}

bool lock_save(const void *machine, SavedWriter *w)
{
        const Lock *l = machine;

        saved_put(w, "id", l->id);
        saved_put_number(w, "attempts", l->attempts);
        switch (l->state) {
        case LOCK_IDLE:
        case LOCK_RELEASED:
        case LOCK_FAILED:
                saved_put(w, "recipe", "idle");
                return true;
        case LOCK_QUEUE:
                saved_put(w, "recipe", "wait");
                break;
        case LOCK_HELD:
                if (l->claim.state != CLAIM_HELD)
                        return false;
                saved_put(w, "recipe", "held");
                claim_save(&l->claim, w);
                break;
        case LOCK_CLAIM:
        case LOCK_LOST:
        case LOCK_CLEAN:
        case LOCK_LEAVE:
                return false;
        }
        save_sight(&l->successor, w);
        return contend_save(&l->contend, w) && l->want && !l->under_way && !l->successor.under_way &&
                l->claim_maybe == (l->state == LOCK_HELD);
}

static int restore_held(Lock *l, const Saved *saved)
{
        int r = claim_restore(&l->claim, saved, l->mode == LOCK_SHARED ? l->shared : l->record);

        if (r < 0)
                return r;
        if (l->contend.state != CONTEND_REST || strcmp(l->contend.node, l->claim.node) != 0)
                return -EBADMSG;
        l->claim_maybe = true;
        l->clean = LOCK_CLEAN_ALL;
        l->state = LOCK_HELD;
        return 0;
}

/* Grants have names that are never used twice: the id and the count go on, also of who waits for nothing. */
static int restore_names(Lock *l, const Saved *saved)
{
        uint64_t attempts = saved_get_number(saved, "attempts", UINT64_MAX);

        if (attempts > UINT32_MAX || !saved_copy(saved, "id", l->id, sizeof(l->id)))
                return -EBADMSG;
        l->attempts = (unsigned)attempts;
        strcpy(l->contend.id, l->id);
        return 0;
}

int lock_restore(void *machine, Saved *saved)
{
        Lock *l = machine;
        const char *recipe = saved_get(saved, "recipe");
        bool held = recipe && strcmp(recipe, "held") == 0;
        int r = restore_names(l, saved);

        if (r < 0 || (recipe && strcmp(recipe, "idle") == 0))
                return r;
        if (!held && (!recipe || strcmp(recipe, "wait") != 0))
                return -EBADMSG;
        r = contend_restore(&l->contend, saved);
        if (r < 0)
                return r;
        l->want = true;
        if (held)
                return restore_held(l, saved);
        if (l->contend.state == CONTEND_REST || l->contend.state == CONTEND_OUT)
                return -EBADMSG;
        l->state = LOCK_QUEUE;
        restore_sight(&l->successor, saved);
        return 0;
}
