/* Locks, elections and semaphores on real servers: what the simulator shows with its own ensemble, shown
 * with ZooKeeper's. The argument is the number of servers. */
#include "fixture.h"
#include "member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "recipe/election.h"
#include "recipe/lock.h"
#include "recipe/semaphore.h"
#include "util/random.h"

#define TICK_MS 500
#define TIMEOUT (6 * USEC_PER_SEC)
#define MANY 60
#define FEW 8

static ZkServers servers;
static unsigned n_servers = 1;
static sd_event *event;
static Member members[MANY];
static size_t n_members;

static int start(void **state)
{
        return zk_servers_start(&servers, n_servers, TICK_MS);
}

static int stop(void **state)
{
        zk_servers_stop(&servers);
        return 0;
}

static int set_up(void **state)
{
        n_members = 0;
        return sd_event_new(&event) < 0;
}

static int tear_down(void **state)
{
        for (size_t i = 0; i < n_members; i++)
                member_kill(&members[i]);
        event = sd_event_unref(event);
        return 0;
}

#define wait_until(condition) members_wait(event, members, n_members, condition, 30 * USEC_PER_SEC)

/* Runs the loop for so long: for what must not happen. */
static void idle(uint64_t usec)
{
        uint64_t until = clock_boottime_usec() + usec;

        while (clock_boottime_usec() < until)
                members_run(event, members, n_members);
}

/* Everybody's requests are answered. */
static bool is_quiet(void)
{
        for (size_t i = 0; i < n_members; i++) {
                ClientStatistics s;

                if (!members[i].client)
                        continue;
                client_statistics(members[i].client, &s);
                if (s.waiting)
                        return false;
        }
        return true;
}

static Member *add(const RecipeType *recipe, void *machine)
{
        Member *m = &members[n_members++];

        member_init(m, event, servers.connect, TIMEOUT, recipe, machine);
        return m;
}

/* It holds, or is in line: who comes after it stands behind it. */
static Member *settle(Member *m)
{
        wait_until((m->held || m->waiting) && is_quiet());
        return m;
}

static Member *add_lock(const char *name, enum LockMode mode)
{
        char id[RANDOM_ID_MAX];
        LockConfig config = {.root = "/zksup", .name = name, .id = id, .mode = mode, .text = {.host = "here", .unit = "u"}};
        Lock *lock;

        random_uuid(id);
        assert_int_equal(lock_new(&lock, &config), 0);
        return settle(add(&lock_recipe, lock));
}

static Member *add_candidate(const char *name, unsigned priority, bool preempt)
{
        char id[RANDOM_ID_MAX];
        ElectionConfig config = {.root = "/zksup",
                .name = name,
                .id = id,
                .priority = priority,
                .preempt = preempt,
                .text = {.host = "here", .unit = "u"}};
        Election *election;

        random_uuid(id);
        assert_int_equal(election_new(&election, &config), 0);
        return add(&election_recipe, election);
}

static Member *add_semaphore(const char *name, unsigned slots)
{
        char id[RANDOM_ID_MAX];
        SemaphoreConfig config = {.root = "/zksup", .name = name, .id = id, .slots = slots, .text = {.host = "here", .unit = "u"}};
        Semaphore *semaphore;

        random_uuid(id);
        assert_int_equal(semaphore_new(&semaphore, &config), 0);
        return settle(add(&semaphore_recipe, semaphore));
}

static size_t count_held(void)
{
        size_t n = 0;

        for (size_t i = 0; i < n_members; i++)
                n += members[i].held;
        return n;
}

/* The holder gives it back and closes its session. */
static void release_and_close(Member *m)
{
        member_release(m);
        wait_until(m->released);
        client_close(m->client);
        wait_until(m->closed);
        member_kill(m);
}

/* --- locks -------------------------------------------------------------------------------------- */

static void a_lock_goes_from_one_session_to_the_next_in_the_order_of_their_coming(void **state)
{
        int64_t token = 0;

        for (size_t i = 0; i < FEW; i++)
                add_lock("order", LOCK_EXCLUSIVE);
        for (size_t i = 0; i < FEW; i++) {
                wait_until(members[i].held);
                assert_int_equal(count_held(), 1);
                assert_true(members[i].token > token);
                token = members[i].token;
                member_release(&members[i]);
        }
        wait_until(members[FEW - 1].released);
        for (size_t i = 0; i < FEW; i++)
                assert_int_equal(members[i].n_held, 1);
}

static unsigned all_requests(void)
{
        unsigned sum = 0;

        for (size_t i = 0; i < n_members; i++)
                sum += members[i].requests;
        return sum;
}

/* The most that a hand-over costs with N in line. */
static unsigned cost(const char *name, size_t n)
{
        unsigned worst = 0;

        n_members = 0;
        for (size_t i = 0; i < n; i++)
                add_lock(name, LOCK_EXCLUSIVE);
        for (size_t i = 0; i + 2 < FEW; i++) {
                unsigned before = all_requests(), requests;

                member_release(&members[i]);
                wait_until(members[i].released && members[i + 1].held && is_quiet());
                idle(50 * USEC_PER_MSEC); /* what its successor does on that comes with a watch */
                wait_until(is_quiet());
                requests = all_requests() - before + 1; /* and the close of the session */
                worst = requests > worst ? requests : worst;
                client_close(members[i].client);
                wait_until(members[i].closed);
                idle(20 * USEC_PER_MSEC);
                assert_int_equal(all_requests() - before + 1, requests);
        }
        for (size_t i = 0; i < n; i++)
                member_kill(&members[i]);
        n_members = 0;
        return worst;
}

static void an_acquisition_costs_five_requests_however_many_wait(void **state)
{
        unsigned few = cost("few", FEW), many = cost("many", MANY);

        print_message("requests for a hand-over: %u with %u in line, %u with %u\n", few, FEW, many, MANY);
        assert_true(few <= 5);
        assert_int_equal(many, few);
}

/* W counts from the last renewal that was seen; the session ends after T, at the next tick of the server. */
static void after_a_crash_the_next_one_gets_the_lock_and_not_before_the_lease_is_over(void **state)
{
        Member *a = add_lock("crash", LOCK_EXCLUSIVE), *b = add_lock("crash", LOCK_EXCLUSIVE);
        uint64_t deadline, died, took;

        idle(2 * USEC_PER_SEC); /* renewals */
        deadline = a->recipe->claim(a->machine)->deadline_usec;
        died = clock_boottime_usec();
        member_kill(a);
        wait_until(b->held);
        took = b->held_usec - died;
        print_message("T = 6000 ms: taken over %llu ms after the crash\n", (unsigned long long)took / 1000);
        assert_true(b->held_usec >= deadline);
        assert_true(took < scaled(TIMEOUT + TICK_MS * USEC_PER_MSEC + 500 * USEC_PER_MSEC));
}

static void who_waits_behind_a_waiter_that_died_does_not_acquire(void **state)
{
        Member *holder = add_lock("middle", LOCK_EXCLUSIVE), *middle = add_lock("middle", LOCK_EXCLUSIVE),
               *last = add_lock("middle", LOCK_EXCLUSIVE);
        unsigned before = last->requests;

        member_kill(middle);
        wait_until(last->requests > before && is_quiet()); /* its watch has fired, and it has looked */
        idle(200 * USEC_PER_MSEC);
        assert_true(holder->held && !last->held);
        assert_int_equal(holder->n_lost, 0);
        member_release(holder);
        wait_until(last->held);
}

static void readers_share_a_lock_and_a_writer_has_it_alone(void **state)
{
        Member *r1 = add_lock("rw", LOCK_SHARED), *r2 = add_lock("rw", LOCK_SHARED), *w, *r3;
        int64_t token;

        assert_true(r1->held && r2->held);
        w = add_lock("rw", LOCK_WRITE);
        r3 = add_lock("rw", LOCK_SHARED);
        assert_false(w->held || r3->held);
        member_release(r1);
        wait_until(r1->released && is_quiet());
        assert_false(w->held);
        token = r2->token;
        member_release(r2);
        wait_until(w->held);
        assert_false(r3->held);
        assert_true(w->token > token);
        member_release(w);
        wait_until(r3->held);
        assert_true(r3->token > w->token);
}

/* --- elections and semaphores ------------------------------------------------------------------- */

static void the_best_candidate_leads_next_and_who_preempts_at_once(void **state)
{
        Member *a = settle(add_candidate("e", 0, false)), *low = settle(add_candidate("e", 1, false)),
               *high = settle(add_candidate("e", 5, false)), *boss;

        assert_true(a->held && !low->held && !high->held);
        release_and_close(a);
        wait_until(high->held);
        assert_false(low->held);
        boss = add_candidate("e", 9, true);
        wait_until(boss->held && is_quiet());
        assert_int_equal(high->n_yielded, 1);
        assert_false(high->held || low->held);
        assert_true(boss->token > high->token);
        release_and_close(boss);
        wait_until(high->held);
        assert_false(low->held);
}

static void a_slot_goes_to_the_next_in_line_and_no_more_hold_than_there_are(void **state)
{
        for (size_t i = 0; i < 5; i++)
                add_semaphore("s", 2);
        for (size_t i = 0; i < 3; i++) {
                wait_until(members[i].held && members[i + 1].held);
                assert_int_equal(count_held(), 2);
                assert_int_not_equal(members[i].number, members[i + 1].number);
                release_and_close(&members[i]);
                wait_until(members[i + 2].held);
        }
}

static void the_slot_of_a_crashed_holder_is_free_again(void **state)
{
        Member *a = add_semaphore("sc", 1), *b;
        uint64_t deadline;

        b = add_semaphore("sc", 1);
        idle(USEC_PER_SEC);
        deadline = a->recipe->claim(a->machine)->deadline_usec;
        member_kill(a);
        wait_until(b->held);
        assert_true(b->held_usec >= deadline);
        assert_int_equal(b->number, 1);
}

int main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                T(a_lock_goes_from_one_session_to_the_next_in_the_order_of_their_coming),
                T(an_acquisition_costs_five_requests_however_many_wait),
                T(after_a_crash_the_next_one_gets_the_lock_and_not_before_the_lease_is_over),
                T(who_waits_behind_a_waiter_that_died_does_not_acquire),
                T(readers_share_a_lock_and_a_writer_has_it_alone),
                T(the_best_candidate_leads_next_and_who_preempts_at_once),
                T(a_slot_goes_to_the_next_in_line_and_no_more_hold_than_there_are),
                T(the_slot_of_a_crashed_holder_is_free_again),
        };

        if (argc > 1)
                n_servers = (unsigned)atoi(argv[1]);
        if (!zk_servers_available())
                return 77;
        return cmocka_run_group_tests_name("recipes", tests, start, stop);
}
