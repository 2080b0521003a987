/* A slot of a semaphore handed to another program in the same session. */
#include "recipe/semaphore-save.h"

#include <errno.h>
#include <string.h>
#include "recipe/semaphore-ask.h"
#include "recipe/semaphore-slots.h"

static bool save_engine(const Contend *engine, const char *name, SavedWriter *w)
{
        bool saved;

        saved_enter(w, name, SAVED_NO_INDEX);
        saved = contend_save(engine, w);
        saved_leave(w);
        return saved;
}

bool semaphore_save(const void *machine, SavedWriter *w)
{
        const Semaphore *s = machine;
        bool locks, leases;

        saved_put(w, "id", s->id);
        saved_put_number(w, "attempts", s->attempts);
        switch (s->state) {
        case SEMAPHORE_IDLE:
        case SEMAPHORE_RELEASED:
        case SEMAPHORE_FAILED:
                saved_put(w, "recipe", "idle");
                return true;
        case SEMAPHORE_QUEUE:
        case SEMAPHORE_RECORDS:
        case SEMAPHORE_LEASES:
        case SEMAPHORE_FULL:
        case SEMAPHORE_LEASE:
                saved_put(w, "recipe", "wait");
                break;
        case SEMAPHORE_HELD:
                if (s->claim.state != CLAIM_HELD)
                        return false;
                saved_put(w, "recipe", "held");
                claim_save(&s->claim, w);
                break;
        case SEMAPHORE_CLAIM:
        case SEMAPHORE_LOST:
        case SEMAPHORE_CLEAN:
        case SEMAPHORE_LEAVE:
                return false;
        }
        saved_put_number(w, "slot", s->slot);
        locks = save_engine(&s->locks, "locks", w);
        leases = save_engine(&s->leases, "leases", w);
        return locks && leases && s->want && !s->under_way && s->claim_maybe == (s->state == SEMAPHORE_HELD);
}

static int restore_engine(Contend *engine, const char *name, Saved *saved)
{
        int r;

        saved_go_in(saved, name, SAVED_NO_INDEX);
        r = contend_restore(engine, saved);
        saved_go_out(saved);
        return r;
}

static int restore_held(Semaphore *s, const Saved *saved)
{
        int r = claim_restore(&s->claim, saved, s->records);

        if (r < 0)
                return r;
        if (s->leases.state != CONTEND_REST || s->locks.state != CONTEND_OUT ||
                strcmp(s->leases.node, s->claim.node) != 0)
                return -EBADMSG;
        s->claim_maybe = s->node_lives = true;
        s->state = SEMAPHORE_HELD;
        return 0;
}

static int restore_names(Semaphore *s, const Saved *saved)
{
        uint64_t attempts = saved_get_number(saved, "attempts", UINT64_MAX);

        if (attempts > UINT32_MAX || !saved_copy(saved, "id", s->id, sizeof(s->id)))
                return -EBADMSG;
        s->attempts = (unsigned)attempts;
        strcpy(s->locks.id, s->id);
        strcpy(s->leases.id, s->id);
        return 0;
}

int semaphore_restore(void *machine, Saved *saved)
{
        Semaphore *s = machine;
        const char *recipe = saved_get(saved, "recipe");
        bool held = recipe && strcmp(recipe, "held") == 0;
        uint64_t slot = saved_get_number(saved, "slot", UINT64_MAX);
        int r = restore_names(s, saved);

        if (r < 0 || (recipe && strcmp(recipe, "idle") == 0))
                return r;
        if ((!held && (!recipe || strcmp(recipe, "wait") != 0)) || slot > SEMAPHORE_SLOTS_MAX)
                return -EBADMSG;
        s->slot = (unsigned)slot;
        if (slot)
                semaphore_slots_kind(s->leases.kind, s->slot);
        r = restore_engine(&s->locks, "locks", saved);
        if (r == 0)
                r = restore_engine(&s->leases, "leases", saved);
        if (r < 0)
                return r;
        s->want = true;
        if (held)
                return restore_held(s, saved);
        if (s->locks.state == CONTEND_REST || s->leases.state == CONTEND_REST)
                return -EBADMSG;
        s->state = SEMAPHORE_QUEUE;
        return 0;
}
