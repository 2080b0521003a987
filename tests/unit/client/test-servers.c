/* Names and lists, with a resolver that answers as the test says and as slowly. */
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>
#include "client/servers.h"
#include "util/clock.h"
#include "util/macros.h"

static int gate = -1;          /* "slow" is answered when this can be read */
static atomic_int slow_answer; /* last part of its address; 0: no such name */
static atomic_int n_asked;

/* In place of the C library's. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **answer)
{
        struct {
                struct addrinfo info;
                struct sockaddr_in address;
        } * it;
        int last = 1;

        atomic_fetch_add(&n_asked, 1);
        if (!strcmp(name, "slow")) {
                struct pollfd fd = {.fd = gate, .events = POLLIN};

                (void)poll(&fd, 1, 20000);
                last = slow_answer;
        }
        if (!last || !strcmp(name, "none"))
                return EAI_NONAME;
        it = calloc(1, sizeof(*it));
        it->address.sin_family = AF_INET;
        it->address.sin_addr.s_addr = htonl(0x0a000000u + (uint32_t)last);
        it->info.ai_family = AF_INET;
        it->info.ai_addr = (struct sockaddr *)&it->address;
        it->info.ai_addrlen = sizeof(it->address);
        *answer = &it->info;
        return 0;
}

void freeaddrinfo(struct addrinfo *answer)
{
        free(answer);
}

typedef struct Fixture {
        sd_event *event;
        Random random;
        Hosts hosts;
        Servers *servers;
        unsigned changes;
} Fixture;

static void on_changed(void *userdata)
{
        ((Fixture *)userdata)->changes++;
}

static void init(Fixture *f, const char *text)
{
        char problem[128];

        *f = (Fixture){0};
        random_init(&f->random, 5);
        n_asked = 0;
        gate = eventfd(0, EFD_CLOEXEC);
        assert_true(sd_event_new(&f->event) >= 0);
        assert_int_equal(hosts_parse(&f->hosts, text, problem, sizeof(problem)), 0);
        assert_int_equal(servers_new(&f->servers, f->event, &f->hosts, &f->random, on_changed, f), 0);
}

static void deinit(Fixture *f)
{
        f->servers = servers_free(f->servers);
        hosts_deinit(&f->hosts);
        f->event = sd_event_unref(f->event);
        (void)eventfd_write(gate, 1);
}

static void run_until_changes(Fixture *f, unsigned changes)
{
        uint64_t until = clock_boottime_usec() + 10 * USEC_PER_SEC;

        while (f->changes < changes) {
                assert_true(clock_boottime_usec() < until);
                assert_true(sd_event_run(f->event, 10000) >= 0);
        }
}

static size_t entries(const char *list)
{
        size_t n = 1;

        for (; *list; list++)
                n += *list == ',';
        return n;
}

static void test_numeric_addresses_are_never_asked_for(void **state)
{
        Fixture f;

        init(&f, "127.0.0.1:1,127.0.0.2:2,[::1]:3");
        assert_int_equal(servers_count(f.servers), 3);
        assert_non_null(strstr(servers_list(f.servers), "::1:3"));
        servers_refresh(f.servers);
        assert_int_equal(n_asked, 0);
        deinit(&f);
}

static void test_the_list_is_odd_whatever_is_asked_for(void **state)
{
        Fixture f;

        init(&f, "127.0.0.1:1,127.0.0.2:2");
        assert_int_equal(servers_count(f.servers), 3);
        assert_int_equal(entries(servers_list(f.servers)), 3);
        deinit(&f);
        init(&f, "127.0.0.1:1,127.0.0.1:1");
        assert_string_equal(servers_list(f.servers), "127.0.0.1:1");
        deinit(&f);
}

static void test_orders_differ_between_clients(void **state)
{
        char first[256];
        unsigned others = 0;
        Fixture f;

        init(&f, "127.0.0.1:1,127.0.0.2:1,127.0.0.3:1,127.0.0.4:1,127.0.0.5:1");
        strcpy(first, servers_list(f.servers));
        for (uint64_t seed = 1; seed < 10; seed++) {
                Random random;
                Servers *servers;

                random_init(&random, seed);
                assert_int_equal(servers_new(&servers, f.event, &f.hosts, &random, on_changed, &f), 0);
                others += strcmp(servers_list(servers), first) != 0;
                servers_free(servers);
        }
        assert_true(others >= 7);
        deinit(&f);
}

static void test_a_slow_name_holds_up_neither_the_loop_nor_the_others_for_long(void **state)
{
        Fixture f;
        uint64_t began = clock_boottime_usec(), turn, longest = 0;

        slow_answer = 7;
        init(&f, "slow:5,quick:6");
        assert_null(servers_list(f.servers));
        while (!f.changes) {
                turn = clock_boottime_usec();
                assert_true(sd_event_run(f.event, 10000) >= 0);
                longest = MAX(longest, clock_boottime_usec() - turn);
                assert_true(turn - began < 5 * USEC_PER_SEC);
        }
        assert_string_equal(servers_list(f.servers), "10.0.0.1:6");
        assert_true(longest < 100000);
        (void)eventfd_write(gate, 1);
        run_until_changes(&f, 2);
        assert_int_equal(servers_count(f.servers), 3);
        assert_non_null(strstr(servers_list(f.servers), "10.0.0.7:5"));
        deinit(&f);
}

static void test_nobody_waits_for_a_question_that_is_still_out(void **state)
{
        Fixture f;
        uint64_t began;

        slow_answer = 7;
        init(&f, "slow");
        began = clock_boottime_usec();
        deinit(&f);
        assert_true(clock_boottime_usec() - began < 100000);
}

static void test_what_became_of_each_is_told(void **state)
{
        Fixture f;
        TextBuffer buffer = {0};
        char *text;
        uint64_t until = clock_boottime_usec() + 5 * USEC_PER_SEC;

        init(&f, "127.0.0.1:1,none:2");
        do {
                assert_true(clock_boottime_usec() < until);
                assert_true(sd_event_run(f.event, 10000) >= 0);
                text_buffer_deinit(&buffer);
                servers_describe(f.servers, &buffer);
        } while (!strstr(buffer.data, "not known"));
        text_buffer_deinit(&buffer);
        servers_note(f.servers, "127.0.0.1:1", "no answer within 2s");
        servers_note(f.servers, "127.0.0.1:1", "Connection refused");
        servers_describe(f.servers, &buffer);
        text = text_buffer_take(&buffer);
        assert_string_equal(text, "127.0.0.1:1: Connection refused; none: Name or service not known");
        free(text);
        deinit(&f);
}

static void test_a_name_without_an_address_is_asked_for_again(void **state)
{
        Fixture f;

        slow_answer = 0;
        init(&f, "slow:1");
        (void)eventfd_write(gate, 1);
        while (n_asked < 2)
                assert_true(sd_event_run(f.event, 10000) >= 0);
        slow_answer = 9;
        run_until_changes(&f, 1);
        assert_string_equal(servers_list(f.servers), "10.0.0.9:1");
        deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numeric_addresses_are_never_asked_for),
                cmocka_unit_test(test_the_list_is_odd_whatever_is_asked_for),
                cmocka_unit_test(test_orders_differ_between_clients),
                cmocka_unit_test(test_a_slow_name_holds_up_neither_the_loop_nor_the_others_for_long),
                cmocka_unit_test(test_nobody_waits_for_a_question_that_is_still_out),
                cmocka_unit_test(test_what_became_of_each_is_told),
                cmocka_unit_test(test_a_name_without_an_address_is_asked_for_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
