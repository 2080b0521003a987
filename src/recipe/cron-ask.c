#include "recipe/cron-ask.h"

#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"

static const char *phase_to_string(enum CronPhase phase)
{
        switch (phase) {
        case CRON_IDLE:
                return "idle";
        case CRON_SEEKING:
                return "seeking";
        case CRON_HELD:
                return "held";
        case CRON_LOST:
                return "lost";
        case CRON_ENDING:
                return "ending";
        case CRON_RELEASED:
                return "released";
        case CRON_FAILED:
                return "failed";
        }
        return "?";
}

void cron_ask_enter(Cron *c, enum CronPhase phase, Effects *effects, const char *cause)
{
        if (phase == c->phase)
                return;
        assert(c->phase != CRON_FAILED || phase == CRON_RELEASED);
        assert(phase != CRON_HELD || c->phase == CRON_SEEKING);
        assert(c->phase != CRON_LOST || phase == CRON_ENDING);
        snprintf(effects_append(effects, EFFECT_TRACE)->trace.text, sizeof((Effect){0}.trace.text),
                "cron: %s -> %s (%s)", phase_to_string(c->phase), phase_to_string(phase), cause);
        c->phase = phase;
}

static Request *ask(Cron *c, Effects *effects, enum CronAsk what, enum RequestKind kind, const char *path)
{
        assert(!c->under_way);
        c->under_way = true;
        c->ask = what;
        c->wake_usec = USEC_INFINITY;
        return effects_request(effects, kind, ++c->tag, path);
}

static void ask_multi(Cron *c, Effects *effects, enum CronAsk what, const Op *ops, size_t n)
{
        Request *request = ask(c, effects, what, REQUEST_MULTI, ops[0].path);

        request->ops = ops;
        request->n_ops = n;
}

void cron_ask_read(Cron *c, Effects *effects)
{
        if (c->read_late) {
                (void)ask(c, effects, CRON_ASK_SYNC, REQUEST_SYNC, c->book_path);
                return;
        }
        /* Only the holder is asked anything through the book; the others wake by the clock. */
        ask(c, effects, CRON_ASK_READ, REQUEST_GET, c->book_path)->watch = c->phase == CRON_HELD;
}

void cron_ask_parents(Cron *c, Effects *effects)
{
        parents_request(&c->parents, ask(c, effects, CRON_ASK_PARENTS, REQUEST_CREATE, c->book_path));
}

void cron_ask_begin_parents(Cron *c, Effects *effects)
{
        parents_begin(&c->parents);
        cron_ask_parents(c, effects);
}

static Op set_book(Cron *c)
{
        c->data_len = cron_book_to_string(&c->draft, c->data);
        return (Op){.kind = OP_SET,
                .path = c->book_path,
                .version = c->version,
                .data = c->data,
                .data_len = c->data_len};
}

void cron_ask_make(Cron *c, Effects *effects)
{
        Request *request = ask(c, effects, CRON_ASK_MAKE, REQUEST_CREATE, c->book_path);

        c->data_len = cron_book_to_string(&c->draft, c->data);
        request->mode = CREATE_PERSISTENT;
        request->data = c->data;
        request->data_len = c->data_len;
}

void cron_ask_note(Cron *c, Effects *effects)
{
        Op op = set_book(c);
        Request *request = ask(c, effects, CRON_ASK_NOTE, REQUEST_SET, c->book_path);

        request->version = op.version;
        request->data = op.data;
        request->data_len = op.data_len;
}

int cron_ask_claim(Cron *c, Effects *effects)
{
        int r;

        c->text.lease_usec = c->timing.lease_usec;
        r = claim_init(&c->claim, c->run_path, c->record_path, c->run_id, &c->text);
        if (r < 0)
                return r;
        c->unsure = c->node_lives = true;
        c->book_done = c->grant_gone = c->record_gone = false;
        c->claim.ops[0] = set_book(c);
        /* Its data tells it from that of another unit of our session, or of a later run. */
        c->claim.ops[1] = (Op){.kind = OP_CREATE,
                .mode = CREATE_EPHEMERAL,
                .path = c->claim.node,
                .data = c->run_id,
                .data_len = strlen(c->run_id)};
        claim_add_create_ops(&c->claim, 2);
        ask_multi(c, effects, CRON_ASK_CLAIM, c->claim.ops, c->claim.n_ops);
        return 0;
}

static Op delete_of(const char *path, int32_t version)
{
        return (Op){.kind = OP_DELETE, .path = path, .version = version};
}

void cron_ask_reap(Cron *c, Effects *effects)
{
        size_t n = 0;

        c->ops[n++] = set_book(c);
        if (c->sighting.grant[0])
                c->ops[n++] = delete_of(c->grant_path, c->sighting.version);
        c->ops[n++] = delete_of(c->record_path, VERSION_ANY);
        ask_multi(c, effects, CRON_ASK_REAP, c->ops, n);
}

void cron_ask_end(Cron *c, Effects *effects)
{
        size_t n = 0;

        if (!c->book_done)
                c->ops[n++] = set_book(c);
        if (!c->grant_gone) {
                c->ops[n++] = delete_of(c->claim.grant, VERSION_ANY);
                /* Only together with the grant: without it, record and node may be another's. */
                if (!c->record_gone)
                        c->ops[n++] = delete_of(c->claim.record, VERSION_ANY);
                if (c->node_lives && !c->claim.node_gone)
                        c->ops[n++] = delete_of(c->claim.node, VERSION_ANY);
        }
        ask_multi(c, effects, CRON_ASK_END, c->ops, n);
}

void cron_ask_look(Cron *c, Effects *effects)
{
        ask(c, effects, CRON_ASK_LOOK, c->phase == CRON_ENDING ? REQUEST_GET : REQUEST_EXISTS, c->run_path)->watch =
                true;
}

void cron_ask_record(Cron *c, Effects *effects)
{
        (void)ask(c, effects, CRON_ASK_RECORD, REQUEST_GET, c->record_path);
}

void cron_ask_grant(Cron *c, Effects *effects)
{
        (void)ask(c, effects, CRON_ASK_GRANT, REQUEST_GET, c->grant_path);
}

void cron_ask_drop(Cron *c, Effects *effects)
{
        (void)ask(c, effects, CRON_ASK_DROP, REQUEST_DELETE, c->run_path);
}
