/* What a hand-over costs, and that it does not grow with the number of those who wait: 8 and 200 sessions
 * that want one lock, one leadership, one slot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "fake.h"
#include "recipe/election.h"
#include "recipe/lock.h"
#include "recipe/semaphore.h"
#include "util/clock.h"
#include "util/macros.h"

#define WAITERS 200
#define FEW 8
#define ASKED_MAX 8

typedef struct Waiter {
        void *machine;
        int64_t session;
        bool held, released;
        Request asked[ASKED_MAX];
        size_t n_asked;
} Waiter;

typedef struct Crowd {
        Fake fake;
        Timing timing;
        uint64_t now;
        const RecipeType *recipe;
        Waiter waiters[WAITERS];
        size_t n;
} Crowd;

static Crowd crowd;

static void step(Waiter *w, Event event)
{
        Effects effects;

        effects.n = 0;
        event.now_usec = crowd.now;
        crowd.recipe->step(w->machine, &event, &effects);
        for (size_t i = 0; i < effects.n; i++) {
                const Effect *e = &effects.items[i];

                w->held |= e->kind == EFFECT_HELD;
                w->released |= e->kind == EFFECT_RELEASED;
                assert_int_not_equal(e->kind, EFFECT_FAILED);
                if (e->kind == EFFECT_REQUEST) {
                        assert_true(w->n_asked < ASKED_MAX);
                        w->asked[w->n_asked++] = e->request;
                }
        }
}

static void pass_watches(void)
{
        FakeWatch watch;

        while (fake_take_fired(&crowd.fake, &watch)) {
                Waiter *w = watch.owner;

                if (w->machine && watch.session == w->session)
                        step(w, (Event){.kind = EVENT_WATCH,
                                        .watch = {.tag = watch.tag, .kind = watch.kind, .path = watch.path}});
        }
}

static bool answer_one(Waiter *w)
{
        Request request;
        Reply reply;

        if (!w->machine || w->n_asked == 0)
                return false;
        request = w->asked[0];
        w->n_asked--;
        for (size_t i = 0; i < w->n_asked; i++)
                w->asked[i] = w->asked[i + 1];
        reply = fake_apply(&crowd.fake, w->session, w, &request);
        reply.sent_usec = crowd.now;
        step(w, (Event){.kind = EVENT_REPLY, .reply = reply});
        pass_watches();
        return true;
}

static void settle(void)
{
        bool any;

        do {
                any = false;
                for (size_t i = 0; i < crowd.n; i++)
                        any |= answer_one(&crowd.waiters[i]);
        } while (any);
}

static void *make(size_t i)
{
        char id[16];
        Record text = {.pid = i, .host = "h", .unit = "u"};
        Lock *lock;
        Election *election;
        Semaphore *semaphore;

        snprintf(id, sizeof(id), "id%zu", i);
        if (crowd.recipe == &lock_recipe) {
                assert_int_equal(lock_new(&lock, &(LockConfig){.root = "/z", .name = "x", .id = id, .text = text}), 0);
                return lock;
        }
        if (crowd.recipe == &election_recipe) {
                assert_int_equal(
                        election_new(&election, &(ElectionConfig){.root = "/z", .name = "x", .id = id, .text = text}), 0);
                return election;
        }
        assert_int_equal(semaphore_new(&semaphore,
                                 &(SemaphoreConfig){.root = "/z", .name = "x", .id = id, .slots = 1, .text = text}),
                0);
        return semaphore;
}

static void gather(const RecipeType *recipe, size_t n)
{
        char problem[400];

        crowd = (Crowd){.recipe = recipe, .now = 1000 * USEC_PER_SEC};
        fake_init(&crowd.fake);
        assert_int_equal(timing_init(&crowd.timing, 15 * USEC_PER_SEC, 0, problem, sizeof(problem)), 0);
        for (size_t i = 0; i < n; i++) {
                Waiter *w = &crowd.waiters[crowd.n++];

                w->machine = make(i);
                w->session = 100 + (int64_t)i;
                recipe->set_timing(w->machine, &crowd.timing);
                step(w, (Event){.kind = EVENT_SESSION, .session = {.change = SESSION_ATTACHED, .id = w->session}});
                step(w, (Event){.kind = EVENT_START});
                settle();
                assert_int_equal(w->held, i == 0);
        }
}

static void disperse(void)
{
        for (size_t i = 0; i < crowd.n; i++)
                if (crowd.waiters[i].machine)
                        crowd.recipe->deinit(crowd.waiters[i].machine);
        fake_deinit(&crowd.fake);
}

/* From the release by the holder until everybody is still, its session closed. */
static unsigned hand_over(size_t from)
{
        Waiter *w = &crowd.waiters[from];
        unsigned before = crowd.fake.requests;

        assert_true(w->held && !crowd.waiters[from + 1].held);
        step(w, (Event){.kind = EVENT_RELEASE});
        pass_watches();
        settle();
        assert_true(w->released);
        fake_end_session(&crowd.fake, w->session);
        pass_watches();
        settle();
        assert_true(crowd.waiters[from + 1].held && !crowd.waiters[from + 2].held);
        crowd.recipe->deinit(w->machine);
        w->machine = NULL;
        return crowd.fake.requests - before + 1; /* and the closing of the session */
}

static unsigned cost(const RecipeType *recipe, size_t n)
{
        unsigned worst = 0;

        gather(recipe, n);
        for (size_t i = 0; i < FEW - 2; i++) {
                unsigned requests = hand_over(i);

                worst = MAX(worst, requests);
        }
        disperse();
        return worst;
}

static void test_a_lock_changes_hands_with_five_requests_however_many_wait(void **state)
{
        print_message("a lock: %u requests\n", cost(&lock_recipe, FEW));
        assert_true(cost(&lock_recipe, FEW) <= 5);
        assert_int_equal(cost(&lock_recipe, WAITERS), cost(&lock_recipe, FEW));
}

/* The list is read at an election: nobody's data may be changed, see election.h. */
static void test_a_leadership_changes_hands_with_as_many_requests_however_many_wait(void **state)
{
        unsigned few = cost(&election_recipe, FEW);

        print_message("an election: %u requests\n", few);
        assert_true(few <= 10);
        assert_int_equal(cost(&election_recipe, WAITERS), few);
}

static void test_a_slot_changes_hands_with_as_many_requests_however_many_wait(void **state)
{
        unsigned few = cost(&semaphore_recipe, FEW);

        print_message("a semaphore: %u requests\n", few);
        assert_true(few <= 16);
        assert_int_equal(cost(&semaphore_recipe, WAITERS), few);
}

static void a_waiter_in_the_middle_dies(const RecipeType *recipe)
{
        size_t middle = WAITERS / 2;
        unsigned before;

        gather(recipe, WAITERS);
        before = crowd.fake.requests;
        recipe->deinit(crowd.waiters[middle].machine);
        crowd.waiters[middle].machine = NULL;
        fake_end_session(&crowd.fake, crowd.waiters[middle].session);
        pass_watches();
        settle();
        for (size_t i = 1; i < crowd.n; i++)
                assert_false(crowd.waiters[i].held);
        print_message("%s: %u requests when a waiter dies\n", recipe->name, crowd.fake.requests - before);
        assert_true(crowd.fake.requests - before <= 8); /* its neighbours look again, nobody else */
        for (size_t i = 0; i < FEW - 2; i++)
                hand_over(i);
        disperse();
}

static void test_who_waits_behind_a_waiter_that_died_does_not_acquire(void **state)
{
        a_waiter_in_the_middle_dies(&lock_recipe);
        a_waiter_in_the_middle_dies(&election_recipe);
        a_waiter_in_the_middle_dies(&semaphore_recipe);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_lock_changes_hands_with_five_requests_however_many_wait),
                cmocka_unit_test(test_a_leadership_changes_hands_with_as_many_requests_however_many_wait),
                cmocka_unit_test(test_a_slot_changes_hands_with_as_many_requests_however_many_wait),
                cmocka_unit_test(test_who_waits_behind_a_waiter_that_died_does_not_acquire),
        };

        return cmocka_run_group_tests_name("waiters", tests, NULL, NULL);
}
