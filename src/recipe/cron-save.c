/* A job handed to another program in the same session. What is known of ticks and runs is in the book, so of a job that
 * waits next to nothing has to be said; a run of ours goes on. */
#include <errno.h>
#include <string.h>
#include "recipe/cron.h"

static void save_run(const Cron *c, SavedWriter *w)
{
        saved_put(w, "run-id", c->run_id);
        saved_put_signed(w, "tick", c->tick);
        saved_put_number(w, "timeout-usec", c->timeout_at_usec);
        claim_save(&c->claim, w);
}

bool cron_save(const Cron *c, SavedWriter *w)
{
        saved_put(w, "book", c->book_path);
        saved_put(w, "id", c->id);
        saved_put_number(w, "attempts", c->attempts);
        switch (c->phase) {
        case CRON_IDLE:
        case CRON_RELEASED:
        case CRON_FAILED:
                saved_put(w, "recipe", "idle");
                return true;
        case CRON_SEEKING:
                if (c->unsure)
                        return false;
                saved_put(w, "recipe", "wait");
                break;
        case CRON_HELD:
                if (c->claim.state != CLAIM_HELD || c->asked_to_yield || c->mark != CRON_UNKNOWN)
                        return false; /* the command has ended, or will */
                saved_put(w, "recipe", "held");
                save_run(c, w);
                break;
        case CRON_LOST:
        case CRON_ENDING:
                return false;
        }
        saved_put_signed(w, "announced", c->announced);
        return c->want && !c->under_way;
}

static int restore_run(Cron *c, const Saved *saved)
{
        int r = claim_restore(&c->claim, saved, c->record_path);

        if (r < 0)
                return r;
        c->tick = saved_get_signed(saved, "tick", CRON_NONE);
        if (!saved_copy(saved, "run-id", c->run_id, sizeof(c->run_id)) || c->tick == CRON_NONE ||
                strcmp(c->claim.node, c->run_path) != 0)
                return -EBADMSG;
        c->timeout_at_usec = saved_get_number(saved, "timeout-usec", UINT64_MAX);
        c->mark = CRON_UNKNOWN;
        c->status = CRON_NONE;
        c->node_lives = true;
        c->phase = CRON_HELD;
        return 0;
}

int cron_restore(Cron *c, const Saved *saved)
{
        const char *recipe = saved_get(saved, "recipe"), *book = saved_get(saved, "book");
        bool held = recipe && strcmp(recipe, "held") == 0;
        uint64_t attempts = saved_get_number(saved, "attempts", UINT64_MAX);

        if (!book || strcmp(book, c->book_path) != 0 || attempts > UINT32_MAX ||
                !saved_copy(saved, "id", c->id, sizeof(c->id)))
                return -EBADMSG;
        c->attempts = (unsigned)attempts;
        if (recipe && strcmp(recipe, "idle") == 0)
                return 0;
        if (!held && (!recipe || strcmp(recipe, "wait") != 0))
                return -EBADMSG;
        c->announced = saved_get_signed(saved, "announced", CRON_NONE);
        c->want = true;
        c->read_late = true;
        if (held)
                return restore_run(c, saved);
        c->phase = CRON_SEEKING;
        return 0;
}
