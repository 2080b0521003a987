#include "member.h"

#include <stdio.h>
#include "util/macros.h"

static void step(Member *m, const Event *event);

static void step_kind(Member *m, enum EventKind kind)
{
        Event event = {.kind = kind, .now_usec = clock_boottime_usec()};

        step(m, &event);
}

static void on_reply(void *userdata, const Event *event)
{
        step(userdata, event);
}

static void on_held(Member *m, const Effect *effect)
{
        m->held = true;
        m->n_held++;
        m->token = effect->held.token;
        m->number = effect->held.number;
        m->held_usec = clock_boottime_usec();
        lease_add(&m->lease, m->recipe->claim(m->machine), m->held_usec);
}

static void perform(Member *m, const Effect *effect)
{
        switch (effect->kind) {
        case EFFECT_REQUEST:
                m->requests++;
                assert_int_equal(client_submit(m->client, &effect->request, on_reply, m), 0);
                break;
        case EFFECT_HELD:
                on_held(m, effect);
                break;
        case EFFECT_WAITING:
                m->waiting = true;
                snprintf(m->text, sizeof(m->text), "%s", effect->waiting.text);
                break;
        case EFFECT_YIELD:
                m->n_yielded++;
                break;
        case EFFECT_RELEASED:
                m->released = true;
                break;
        case EFFECT_FAILED:
                fail_msg("%s", effect->failed.text);
                break;
        case EFFECT_EXTENDED:
        case EFFECT_LOST:
        case EFFECT_TRACE:
                break;
        }
}

static void step(Member *m, const Event *event)
{
        unsigned yielded = m->n_yielded;
        Effects effects;

        effects.n = 0;
        m->recipe->step(m->machine, event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                perform(m, &effects.items[i]);
        if (m->held && m->n_yielded > yielded) {
                member_release(m);
                member_start(m);
        }
}

static void on_lease_reply(void *userdata, const Event *event);

static void step_lease(Member *m, const Event *event)
{
        Effects effects;

        effects.n = 0;
        lease_step(&m->lease, event, &effects);
        for (size_t i = 0; i < effects.n; i++)
                if (effects.items[i].kind == EFFECT_REQUEST)
                        assert_int_equal(client_submit(m->client, &effects.items[i].request, on_lease_reply, &m->lease), 0);
        if (lease_take_lost(&m->lease)) {
                m->held = false;
                m->n_lost++;
                step_kind(m, EVENT_DEAD);
        }
}

static void on_lease_reply(void *userdata, const Event *event)
{
        step_lease(CONTAINER_OF(userdata, Member, lease), event);
}

static void on_client(void *userdata, const ClientEvent *event)
{
        Member *m = userdata;
        Timing timing;
        char problem[256];

        if (event->kind != CLIENT_SESSION)
                return;
        if (event->event->session.change == SESSION_ATTACHED) {
                assert_int_equal(timing_init(&timing, event->event->session.timeout_usec, 0, problem, sizeof(problem)), 0);
                lease_set_timing(&m->lease, &timing);
                m->recipe->set_timing(m->machine, &timing);
        }
        m->closed |= event->event->session.change == SESSION_CLOSED;
        step_lease(m, event->event);
        step(m, event->event);
}

void member_init(Member *m, sd_event *event, const char *connect, uint64_t timeout_usec, const RecipeType *recipe,
        void *machine)
{
        ClientConfig config = {.connect = connect, .session_timeout_usec = timeout_usec};
        char problem[256] = "";

        *m = (Member){.recipe = recipe, .machine = machine};
        lease_init(&m->lease);
        assert_int_equal(lease_reserve(&m->lease, 1), 0);
        if (client_new(&m->client, event, &config, on_client, m, problem, sizeof(problem)) < 0)
                fail_msg("client_new: %s", problem);
        member_start(m);
}

void member_kill(Member *m)
{
        m->client = client_free(m->client);
        lease_deinit(&m->lease);
        if (m->machine)
                m->recipe->deinit(m->machine);
        m->machine = NULL;
        m->held = false;
}

void member_release(Member *m)
{
        lease_remove(&m->lease, m->recipe->claim(m->machine));
        m->held = m->released = false;
        step_kind(m, EVENT_RELEASE);
}

void member_start(Member *m)
{
        step_kind(m, EVENT_START);
}

void members_run(sd_event *event, Member *members, size_t n)
{
        assert_true(sd_event_run(event, 5000) >= 0);
        for (size_t i = 0; i < n; i++) {
                Member *m = &members[i];
                Event now = {.kind = EVENT_TIME, .now_usec = clock_boottime_usec()};

                if (!m->machine)
                        continue;
                if (lease_deadline(&m->lease) <= now.now_usec)
                        step_lease(m, &now);
                if (m->recipe->deadline(m->machine) <= now.now_usec)
                        step(m, &now);
        }
}
