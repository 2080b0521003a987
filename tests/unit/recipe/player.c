#include "player.h"

#include <stdio.h>
#include <string.h>
#include "util/macros.h"

int game_set_up(void **state)
{
        Game *g = test_calloc(1, sizeof(*g));
        char problem[400];

        fake_init(&g->fake);
        g->now = 1000 * SEC;
        assert_int_equal(timing_init(&g->timing, 15 * SEC, 0, problem, sizeof(problem)), 0);
        *state = g;
        return 0;
}

int game_tear_down(void **state)
{
        Game *g = *state;

        for (size_t i = 0; i < PLAYERS; i++)
                if (g->players[i].machine)
                        g->players[i].recipe->deinit(g->players[i].machine);
        fake_deinit(&g->fake);
        test_free(g);
        return 0;
}

static void heed(Player *p, const Effect *e)
{
        switch (e->kind) {
        case EFFECT_REQUEST:
                assert_true(p->n_asked < ASKED_MAX);
                p->asked[p->n_asked++] = e->request;
                break;
        case EFFECT_WAITING:
                p->waiting = true;
                snprintf(p->text, sizeof(p->text), "%s", e->waiting.text);
                break;
        case EFFECT_HELD:
                assert_false(p->held);
                p->held = true;
                p->helds++;
                p->token = e->held.token;
                break;
        case EFFECT_YIELD:
                p->yielded++;
                snprintf(p->text, sizeof(p->text), "%s", e->yield.text);
                break;
        case EFFECT_RELEASED:
                p->released = true;
                break;
        case EFFECT_FAILED:
                p->failed = true;
                snprintf(p->text, sizeof(p->text), "%s", e->failed.text);
                break;
        case EFFECT_TRACE:
                if (strlen(p->trace) + strlen(e->trace.text) + 2 >
                        sizeof(p->trace)) /* forget the first half */
                        memmove(p->trace, p->trace + sizeof(p->trace) / 2,
                                strlen(p->trace + sizeof(p->trace) / 2) + 1);
                strcat(strcat(p->trace, e->trace.text), "\n");
                break;
        case EFFECT_EXTENDED:
        case EFFECT_LOST:
                break;
        }
}

void game_step(Game *g, Player *p, Event event)
{
        Effects effects;

        effects.n = 0;
        event.now_usec = g->now;
        p->recipe->step(p->machine, &event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                heed(p, &effects.items[i]);
}

static void attach(Game *g, Player *p, int64_t session)
{
        p->session = session;
        p->recipe->set_timing(p->machine, &g->timing);
        game_step(
                g, p, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED, .id = session}});
}

void game_start(Game *g, Player *p)
{
        p->released = false;
        game_step(g, p, (Event){.kind = EVENT_START});
}

Player *game_join_as(Game *g, size_t i, int64_t session, const RecipeType *recipe, void *machine)
{
        Player *p = &g->players[i];

        if (p->machine)
                game_crash(g, p);
        *p = (Player){.recipe = recipe, .machine = machine};
        attach(g, p, session);
        game_start(g, p);
        return p;
}

Player *game_join(Game *g, size_t i, const RecipeType *recipe, void *machine)
{
        return game_join_as(g, i, 100 + (int64_t)i, recipe, machine);
}

bool game_has_session(const Game *g, int64_t session)
{
        for (size_t i = 0; i < PLAYERS; i++)
                if (g->players[i].machine && g->players[i].session == session)
                        return true;
        return false;
}

void game_pass_watches(Game *g)
{
        FakeWatch watch;

        while (fake_take_fired(&g->fake, &watch))
                for (size_t i = 0; i < PLAYERS; i++)
                        if (watch.owner == &g->players[i] && g->players[i].machine &&
                                watch.session == g->players[i].session)
                                game_step(g, &g->players[i],
                                        (Event){.kind = EVENT_WATCH,
                                                .watch = {.tag = watch.tag,
                                                        .kind = watch.kind,
                                                        .path = watch.path}});
}

static Request take_asked(Player *p)
{
        Request request = p->asked[0];

        assert_true(p->n_asked > 0);
        memmove(p->asked, p->asked + 1, --p->n_asked * sizeof(Request));
        return request;
}

void game_answer(Game *g, Player *p)
{
        Request request = take_asked(p);
        Reply reply = fake_apply(&g->fake, p->session, p, &request);

        reply.sent_usec = g->now;
        game_step(g, p, (Event){.kind = EVENT_REPLY, .reply = reply});
        game_pass_watches(g);
}

static void suspend(Game *g, Player *p, bool applied)
{
        size_t n = p->n_asked;
        Request asked[ASKED_MAX];

        memcpy(asked, p->asked, sizeof(asked));
        p->n_asked = 0;
        if (applied)
                (void)fake_apply(&g->fake, p->session, p, &asked[0]);
        game_step(g, p, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_SUSPENDED}});
        for (size_t i = 0; i < n; i++)
                game_step(g, p,
                        (Event){.kind = EVENT_REPLY,
                                .reply = {.tag = asked[i].tag, .outcome = OUTCOME_UNKNOWN}});
        assert_int_equal(p->n_asked, 0); /* nothing is asked without contact */
}

void game_lose_reply(Game *g, Player *p, bool applied)
{
        assert_true(p->n_asked > 0);
        suspend(g, p, applied);
        attach(g, p, p->session);
        game_pass_watches(g);
}

void game_expire(Game *g, Player *p)
{
        suspend(g, p, false);
        fake_end_session(&g->fake, p->session);
        p->held = false;
        game_step(g, p, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_EXPIRED}});
        assert_int_equal(p->n_asked, 0);
        game_pass_watches(g);
        attach(g, p, p->session + 100000000);
}

void game_crash(Game *g, Player *p)
{
        p->recipe->deinit(p->machine);
        p->machine = NULL;
        p->n_asked = 0;
        p->held = false;
}

void game_end_session(Game *g, Player *p)
{
        fake_end_session(&g->fake, p->session);
        game_pass_watches(g);
}

void game_settle(Game *g)
{
        for (unsigned rounds = 0; rounds < 500; rounds++) {
                bool any = false;

                game_pass_watches(g);
                for (size_t i = 0; i < PLAYERS; i++) {
                        Player *p = &g->players[i];
                        uint64_t when;

                        if (!p->machine)
                                continue;
                        when = p->recipe->deadline(p->machine);
                        if (p->n_asked) {
                                game_answer(g, p);
                                any = true;
                        } else if (when <= g->now) {
                                game_step(g, p, (Event){.kind = EVENT_TIME});
                                assert_true(p->n_asked > 0 || p->recipe->deadline(p->machine) > g->now);
                                any = true;
                        }
                }
                if (!any)
                        return;
        }
        fail_msg("does not settle");
}

void game_pass(Game *g, uint64_t usec)
{
        g->now += usec;
        game_settle(g);
}

enum Outcome game_renew(Game *g, Player *p)
{
        const Claim *claim = p->recipe->claim(p->machine);
        Op ops[] = {{.kind = OP_CHECK, .path = claim->node, .version = VERSION_ANY},
                {.kind = OP_SET,
                        .path = claim->grant,
                        .version = VERSION_ANY,
                        .data = claim->data,
                        .data_len = claim->data_len}};
        Request request = {.kind = REQUEST_MULTI, .path = claim->node, .ops = ops, .n_ops = 2};
        Reply reply = fake_apply(&g->fake, p->session, NULL, &request);

        game_pass_watches(g);
        return reply.outcome;
}

void game_release(Game *g, Player *p)
{
        p->held = p->released = false;
        game_step(g, p, (Event){.kind = EVENT_RELEASE});
        game_pass_watches(g);
}

void game_lose(Game *g, Player *p, const char *reason)
{
        claim_lose(p->recipe->claim(p->machine), reason);
        p->held = false;
        game_step(g, p, (Event){.kind = EVENT_DEAD});
}

size_t game_children(const Game *g, const char *path)
{
        const Znode *node = tree_find(&g->fake.tree, path);
        size_t n = 0;

        for (const Znode *child = node ? node->children : NULL; child; child = child->next)
                n++;
        return n;
}

const char *game_find(const Game *g, const char *path, const char *part)
{
        const Znode *node = tree_find(&g->fake.tree, path);

        for (const Znode *child = node ? node->children : NULL; child; child = child->next)
                if (strstr(strrchr(child->path, '/'), part))
                        return child->path;
        return NULL;
}

static void print_below(const Znode *node)
{
        print_message("%s owner %lld version %d\n", node->path, (long long)node->stat.ephemeral_owner,
                node->stat.version);
        for (const Znode *child = node->children; child; child = child->next)
                print_below(child);
}

void game_print(const Game *g)
{
        print_below(g->fake.tree.root);
}
