#include "fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "util/clock.h"

/* --- what comes out ----------------------------------------------------------------------------- */

static void a_unit_that_says_nothing_has_the_defaults(void **state)
{
        CLEANUP(config_free) Config *c = good("unit web { command = /bin/true }");
        const ConfigUnit *u = c->units[0];

        assert_int_equal(c->n_units, 1);
        assert_string_equal(u->name, "web");
        assert_string_equal(u->file, "t");
        assert_int_equal(u->line, 1);
        assert_string_equal(u->command[0], "/bin/true");
        assert_null(u->command[1]);
        assert_null(u->pool);
        assert_null(u->cron);
        assert_null(u->lead);
        assert_null(u->lock);
        assert_int_equal(u->policy.restart, UNIT_RESTART_ALWAYS);
        assert_true(u->policy.reacquire);
        assert_int_equal(u->policy.stop_signal, SIGTERM);
        assert_true(u->wait_usec == USEC_INFINITY);
        assert_int_equal(u->child.umask, -1);
        assert_string_equal(c->global.connect, "127.0.0.1:2181");
        assert_string_equal(c->global.root, "/zksup");
        assert_int_equal(c->global.session_timeout_usec, 15 * USEC_PER_SEC);
        assert_true(c->global.grace_usec == 0);
        assert_null(c->global.listen);
}

static void global_settings_come_out(void **state)
{
        CLEANUP(config_free)
        Config *c = good("connect = 'a:1,b:2/c' session-timeout = 6s connect-timeout = 1m grace = 1s\n"
                         "auth-file = /a acl = open root = /r/s control = none control-group = g\n"
                         "listen = '[::1]:80' host = h verbose = yes quiet = false\n"
                         "unit a { command = x }");
        const ConfigGlobal *g = &c->global;

        assert_string_equal(g->connect, "a:1,b:2/c");
        assert_int_equal(g->session_timeout_usec, 6 * USEC_PER_SEC);
        assert_int_equal(g->connect_timeout_usec, 60 * USEC_PER_SEC);
        assert_int_equal(g->grace_usec, USEC_PER_SEC);
        assert_string_equal(g->auth_file, "/a");
        assert_string_equal(g->acl, "open");
        assert_string_equal(g->root, "/r/s");
        assert_string_equal(g->control, "none");
        assert_string_equal(g->control_group, "g");
        assert_string_equal(g->listen, "[::1]:80");
        assert_string_equal(g->host, "h");
        assert_true(g->verbose);
        assert_false(g->quiet);
}

static void every_gate_comes_out(void **state)
{
        CLEANUP(config_free)
        Config *c = good("unit a { command = x pool = p first = 2 max = 9 prefer = 3 reuse = wait\n"
                         " lead = l priority = 7 preempt = yes give-up = 4 standby = 's 1' on-won = w "
                         "on-lost = 'o \"a b\"' hook-timeout = 5s\n"
                         " lock = k slots = 3 hold-min = 2s wait = 1m }\n"
                         "unit b { command = x cron = c schedule = '*/5 * * * *' timezone = UTC overlap = "
                         "kill missed = run-once\n"
                         " within = 1h jitter = 2s timeout = 3s }\n"
                         "unit c { command = x lock = k shared = yes no-wait = yes }\n"
                         "unit d { command = x lock = k exclusive = yes }");
        const ConfigUnit *u = c->units[0];

        assert_string_equal(u->pool, "p");
        assert_true(u->first == 2 && u->max == 9 && u->prefer == 3 && u->reuse == SEQUENCE_REUSE_WAIT);
        assert_string_equal(u->lead, "l");
        assert_true(u->priority == 7 && u->preempt && u->policy.give_up == 4);
        assert_string_equal(u->standby[1], "1");
        assert_string_equal(u->on_won[0], "w");
        assert_string_equal(u->on_lost[1], "a b");
        assert_int_equal(u->hook_timeout_usec, 5 * USEC_PER_SEC);
        assert_true(u->lock_kind == CONFIG_LOCK_SLOTS && u->slots == 3);
        assert_int_equal(u->policy.hold_min_usec, 2 * USEC_PER_SEC);
        assert_int_equal(u->wait_usec, 60 * USEC_PER_SEC);
        u = c->units[1];
        assert_string_equal(u->cron, "c");
        assert_string_equal(u->schedule.text, "*/5 * * * *");
        assert_true(u->overlap == CRON_OVERLAP_KILL && u->missed == CONFIG_MISSED_RUN_ONCE);
        assert_int_equal(u->within_usec, 3600 * USEC_PER_SEC);
        assert_true(u->policy.release_after_run);
        assert_true(c->units[2]->lock_kind == CONFIG_LOCK_SHARED && c->units[2]->wait_usec == 0);
        assert_true(c->units[3]->lock_kind == CONFIG_LOCK_WRITE);
}

static void what_a_process_is_given_comes_out(void **state)
{
        CLEANUP(config_free)
        Config *c = good(
                "unit a { command = {a, 'b c'} user = u group = 7 directory = /d clear-environment = yes "
                "umask = 027 nice = -5\n"
                " oom-score-adjust = 300 limits = {'nofile=64', 'core=0:infinity', 'stack=1M:2M'} "
                "environment = {'A=1', 'B='}\n"
                " stdout = 'file:/var/log/a' stderr = null rotate-size = 10M rotate-keep = 3 contain = pidns "
                "start = manual\n"
                " ready = 'tcp:80' ready-timeout = 9s on-suspend = 'signal:USR1' on-unkillable = takeover }");
        const ConfigUnit *u = c->units[0];

        assert_string_equal(u->command[1], "b c");
        assert_string_equal(u->child.user, "u");
        assert_string_equal(u->child.group, "7");
        assert_string_equal(u->child.directory, "/d");
        assert_true(u->child.clear_environment && u->child.umask == 027);
        assert_true(u->child.has_nice && u->child.nice == -5);
        assert_true(u->child.has_oom_score_adjust && u->child.oom_score_adjust == 300);
        assert_int_equal(u->child.n_limits, 3);
        assert_true(u->child.limits[0].resource == RLIMIT_NOFILE && u->child.limits[0].soft == 64 &&
                    u->child.limits[0].hard == 64);
        assert_true(u->child.limits[1].soft == 0 && u->child.limits[1].hard == RLIM_INFINITY);
        assert_true(u->child.limits[2].soft == 1 << 20 && u->child.limits[2].hard == 2 << 20);
        assert_string_equal(u->child.environment[0], "A=1");
        assert_string_equal(u->child.environment[1], "B=");
        assert_null(u->child.environment[2]);
        assert_true(u->out.kind == OUTPUT_FILE && u->out.rotate_bytes == 10 << 20 && u->out.rotate_keep == 3);
        assert_string_equal(u->out.path, "/var/log/a");
        assert_int_equal(u->err.kind, OUTPUT_NULL);
        assert_int_equal(u->contain, CONTAIN_PIDNS);
        assert_true(u->manual);
        assert_true(u->readiness.kind == READINESS_TCP && u->policy.await_ready);
        assert_true(u->policy.on_suspend == UNIT_ON_SUSPEND_SIGNAL && u->policy.suspend_signal == SIGUSR1);
        assert_int_equal(u->policy.on_unkillable, UNIT_ON_UNKILLABLE_TAKEOVER);
}

static void defaults_are_for_units_that_do_not_say_otherwise(void **state)
{
        CLEANUP(config_free)
        Config *c = good(
                "unit a { command = x restart-delay = 1s }\n"
                "defaults { restart-delay = 2s nice = 3 environment = {'A=1'} slots = 4 ready = 'tcp:1' }\n"
                "unit b { command = x environment = {} ready = none }");

        assert_int_equal(c->units[0]->policy.backoff.initial_usec, USEC_PER_SEC);
        assert_int_equal(c->units[1]->policy.backoff.initial_usec, 2 * USEC_PER_SEC);
        assert_int_equal(c->units[0]->child.nice, 3);
        assert_string_equal(c->units[0]->child.environment[0], "A=1");
        assert_null(c->units[1]->child.environment);
        assert_int_equal(c->units[1]->readiness.kind, READINESS_NONE);
        assert_true(c->units[0]->readiness.kind == READINESS_TCP);
}

static void a_unit_with_restart_never_does_not_ask_again_for_a_lost_hold(void **state)
{
        CLEANUP(config_free)
        Config *c = good("unit a { command = x restart = never }\n"
                         "unit b { command = x restart = never on-loss = restart }\n"
                         "unit c { command = x on-loss = stop }");

        assert_false(c->units[0]->policy.reacquire);
        assert_true(c->units[1]->policy.reacquire);
        assert_false(c->units[2]->policy.reacquire);
}

static void a_service_is_ready_when_systemd_says_so(void **state)
{
        CLEANUP(config_free)
        Config *c = good("unit a { systemd-unit = a.service lead = a }\nunit b { systemd-unit = b.service "
                         "ready = none }");

        assert_string_equal(c->units[0]->systemd_unit, "a.service");
        assert_null(c->units[0]->command);
        assert_true(c->units[0]->readiness.kind == READINESS_NOTIFY && c->units[0]->policy.await_ready);
        assert_int_equal(c->units[1]->readiness.kind, READINESS_NONE);
}

static void defaults_about_processes_are_not_for_services(void **state)
{
        CLEANUP(config_free)
        Config *c = good(
                "defaults { user = app environment = 'A=1' standby = x contain = pidns stop-signal = INT\n"
                " stdout = 'file:/x' nice = 3 limits = 'nofile=3' hook-timeout = 3s }\n"
                "unit a { systemd-unit = a.service lead = l }\nunit b { command = x lead = l }");
        const ConfigUnit *a = c->units[0], *b = c->units[1];

        assert_null(a->child.user);
        assert_null(a->child.environment);
        assert_null(a->standby);
        assert_true(a->child.n_limits == 0 && !a->child.has_nice && a->contain == CONTAIN_AUTO);
        assert_true(a->policy.stop_signal == SIGTERM && a->out.kind != OUTPUT_FILE);
        assert_true(a->hook_timeout_usec == 3 * USEC_PER_SEC);
        assert_string_equal(b->child.user, "app");
        assert_true(b->standby && b->child.environment && b->policy.stop_signal == SIGINT);
}

static void a_unit_outlives_its_file(void **state)
{
        Config *c = good("unit a { command = 'x y' lock = l }");
        ConfigUnit *u = config_unit_ref(config_find(c, "a"));

        assert_null(config_find(c, "b"));
        config_free(c);
        assert_string_equal(u->command[1], "y");
        assert_string_equal(u->lock, "l");
        assert_null(config_unit_unref(u));
}

/* --- the environment ---------------------------------------------------------------------------- */

static void the_environment_is_put_in_where_it_is_expected_and_nowhere_else(void **state)
{
        CLEANUP(config_free) Config *c = NULL;

        assert_int_equal(setenv("ZKSUP_TEST_A", "va", 1), 0);
        c = good("connect = \"${ZKSUP_TEST_A}:1\" root = \"/${ZKSUP_TEST_A}\" control-group = "
                 "${ZKSUP_TEST_A}\n"
                 "unit \"u${ZKSUP_TEST_A}\" { command = {\"${ZKSUP_TEST_A}\", ${ZKSUP_TEST_A}, "
                 "'${ZKSUP_TEST_A}', \"\\${x}\", \"$HOME\"}\n"
                 " environment = {\"A=${ZKSUP_TEST_A}-${ZKSUP_TEST_A}\", \"B=$${X}$$ $5\"} directory = "
                 "'/${ZKSUP_TEST_A}/d'\n"
                 " stdout = 'file:/${ZKSUP_TEST_A}' }");
        assert_string_equal(c->global.connect, "va:1");
        assert_string_equal(c->global.root, "/${ZKSUP_TEST_A}");
        assert_string_equal(c->global.control_group, "${ZKSUP_TEST_A}");
        assert_string_equal(c->units[0]->name, "u${ZKSUP_TEST_A}");
        for (int i = 0; i < 3; i++)
                assert_string_equal(c->units[0]->command[i], "${ZKSUP_TEST_A}");
        assert_string_equal(c->units[0]->command[3], "${x}");
        assert_string_equal(c->units[0]->command[4], "$HOME");
        assert_string_equal(c->units[0]->child.environment[0], "A=va-va");
        assert_string_equal(c->units[0]->child.environment[1], "B=${X}$$ $5");
        assert_string_equal(c->units[0]->child.directory, "/va/d");
        assert_string_equal(c->units[0]->out.path, "/${ZKSUP_TEST_A}");
}

static void a_variable_that_is_not_set_is_a_mistake(void **state)
{
        assert_int_equal(unsetenv("ZKSUP_TEST_B"), 0);
        bad("connect = \"${ZKSUP_TEST_B}\"\nunit a { command = x }",
                "t:1: connect '${ZKSUP_TEST_B}' names the variable ZKSUP_TEST_B, which is not set in our "
                "environment; set it there\n");
        bad("unit a { command = x\n directory = '${' }",
                "t:2: directory '${' has a '${' that is no ${NAME}; write $${ for the characters ${\n");
}

/* --- what is wrong ------------------------------------------------------------------------------ */

static void all_mistakes_are_told_in_the_order_of_the_lines(void **state)
{
        bad("conect = a\n"
            "root = zz\n"
            "grace = {1s, 2s}\n"
            "session-timeout = 1ms\n"
            "unit a {\n"
            "  command = x\n"
            "  resart = always\n"
            "  restart = sometimes\n"
            "  max = 3\n"
            "  connect = b\n"
            "}\n"
            "unit a { command = x }\n",
                "t:1: there is no setting 'conect'; did you mean connect?\n"
                "t:2: root 'zz' is no path of a znode: write /name or /name/name\n"
                "t:3: grace takes one value, not a list; write grace = TIME\n"
                "t:4: session-timeout must be from 500ms to 1h\n"
                "t:7: there is no setting 'resart'; did you mean restart?\n"
                "t:8: restart 'sometimes' is none of always on-failure never\n"
                "t:9: unit 'a': max has no effect without pool; set pool or remove it\n"
                "t:10: connect does not belong here; write it before the units, in no section\n"
                "t:12: unit 'a' is described twice, before in t:5; give one another name\n");
}

static void mistakes_of_syntax_say_where_and_what_to_do(void **state)
{
        bad_with("unit a { command = x", "t:1: the brace that is opened here is not closed; write }\n");
        bad_with("unit a {\n command = \"x }\n", "t:2: the string that begins here has no end; write \"\n");
        bad_with("unit a { command = x } }", "t:1: unexpected closing brace; remove it");
        bad_with(
                "unit { command = x }", "t:1: missing title for section 'unit'; write unit \"NAME\" { ... }");
        bad_with("unit a { unit b { } }", "t:1: there is no setting or section 'unit' here");
        bad_with("units a { }", "t:1: there is no setting or section 'units' here");
        bad_with("unit a {\n command = /bin/sleep 5\n}",
                "t:3: there is no setting or section '5' here; a value with blanks needs quotes");
        bad_with("unit a {\n command x\n}",
                "t:2: missing equal sign after option 'command'; write NAME = VALUE");
        bad_with("unit a {\n command = x\n schedule = */5 * * * *\n}",
                "t:3: there is a '*' outside of quotes; put the value into quotes\n");
        bad_with("unit a { command = 'x' + 'y' }", "t:1: there is a '+' outside of quotes");
        bad_with("include(\"x\")\nunit a { command = x }", "t:1: include is for files; there is none here\n");
        bad_with("unit a { command = x }\nunit b { command = x\n, }", "t:3: unexpected token ','");
}

static void what_stands_before_a_mistake_of_syntax_is_judged_too(void **state)
{
        bad("unit a { command = x nice = 99 }\nunit b { command = x\n, }",
                "t:1: nice '99' is no whole number from -20 to 19\n"
                "t:3: unexpected token ','; write NAME = VALUE or NAME = {VALUE, VALUE}, and a value with "
                "blanks in quotes\n");
}

static void a_setting_may_stand_once_in_a_section(void **state)
{
        bad("unit a { command = x\n nice = 1\n nice = 2\n }",
                "t:3: nice is set twice, before in t:2; remove one\n");
        bad("defaults { nice = 1 }\ndefaults { umask = 022 }\nunit a { command = x }",
                "t:2: there are defaults in t:1 already; put both into one section\n");
}

static void a_list_may_be_written_on_several_lines_and_added_to(void **state)
{
        CLEANUP(config_free)
        Config *c = good("unit a { command = {\n x,\n y\n }\n limits = {\n 'nofile=1'\n }\n"
                         " environment = 'A=1'\n environment += 'B=2' }");

        assert_string_equal(c->units[0]->command[1], "y");
        assert_string_equal(c->units[0]->child.environment[1], "B=2");
}

static void what_does_not_fit_together_is_told_at_its_line(void **state)
{
        bad_with("unit a {\n pool = p }",
                "t:1: unit 'a': has no command; write command = \"PROGRAM ARGUMENTS\", or systemd-unit\n");
        bad("unit a { command = x\n systemd-unit = a.service }",
                "t:2: unit 'a': only one of command and systemd-unit\n");
        bad("unit a { systemd-unit = a.service\n user = u }",
                "t:2: unit 'a': user has no effect on a service of systemd; set it in a.service or remove "
                "it\n");
        bad("unit a { systemd-unit = a.service }\nunit b { systemd-unit = a.service }",
                "t:2: systemd-unit 'a.service' is described twice, before in t:1; a service can be the child "
                "of one unit only\n");
        bad("unit a { command = x pool = p first = 5\n max = 4 }", "t:2: unit 'a': max 4 is below first 5\n");
        bad("unit a { command = x pool = p\n prefer = 0 }",
                "t:2: unit 'a': prefer 0 is not between first and max\n");
        bad("unit a { command = x lock = l\n shared = yes slots = 2 }",
                "t:2: unit 'a': only one of shared, exclusive and slots\n");
        bad("unit a { command = x lock = l wait = 1s\n no-wait = yes }",
                "t:2: unit 'a': only one of wait and no-wait\n");
        bad("unit a { command = x\n on-won = y }",
                "t:2: unit 'a': on-won has no effect without lead; set lead or remove it\n");
        bad("unit a { command = x\n wait = 1s }",
                "t:2: unit 'a': wait has no effect without pool, lead or lock; set one or remove it\n");
        bad("unit a { command = x lead = l\n hook-timeout = 2h }",
                "t:2: unit 'a': hook-timeout must be from 1ms to 1h\n");
        bad("unit a { command = x\n cron = c }",
                "t:2: unit 'a': cron has no schedule; write schedule = \"0 3 * * *\", say\n");
        bad("unit a { command = x cron = c schedule = @daily\n restart = never }",
                "t:2: unit 'a': restart has no effect with cron; remove it\n");
        bad("unit a { command = x cron = c schedule = '@every 1m'\n jitter = 2m }",
                "t:2: unit 'a': jitter must be shorter than the time between two ticks\n");
        bad("unit a { command = x cron = c schedule = @daily\n within = 2m }",
                "t:2: unit 'a': within says how late a tick may be for missed = run-once; set that or remove "
                "it\n");
        bad_with("unit a { command = x cron = c schedule = @daily\n timezone = No/Where }",
                "t:2: unit 'a': time zone 'No/Where' is not known");
        bad("unit a { command = x }\ndefaults {\n command = y }",
                "t:3: command does not belong here; write it in a unit\n");
        bad("grace = 2h\nunit a { command = x }", "t:1: grace must be from 1ms to 1h\n");
}

static void a_file_that_is_rotated_belongs_to_one_unit(void **state)
{
        CLEANUP(config_free)
        Config *c = good("defaults { stdout = 'file:/l' stderr = 'file:/l' }\n"
                         "unit a { command = x }\nunit b { command = x }\n"
                         "unit c { command = x stdout = 'file:/m' stderr = 'file:/m' rotate-size = 1M }");

        assert_int_equal(c->n_units, 3);
        bad("defaults { stdout = 'file:/l' }\nunit a { command = x rotate-size = 1M }\nunit b { command = x "
            "}",
                "t:3: unit 'b': unit 'a' writes to /l too, which cannot be rotated then; give each a file of "
                "its own\n");
}

static void a_mistake_in_the_defaults_is_told_once(void **state)
{
        bad("defaults {\n nice = a }\nunit a { command = x }\nunit b { command = x }",
                "t:2: nice 'a' is no whole number from -20 to 19\n");
}

static void options_that_are_for_the_command_line_are_explained(void **state)
{
        bad_with("unit a { command = x name = b }", "t:1: a unit's name is the title of its section");
        bad_with("unit a { command = x tty = no }", "t:1: tty is for the command line");
        bad_with("unit a { command = x tick-now = yes }", "t:1: tick-now is for the command line");
}

static void unknown_names_without_end_end_somewhere(void **state)
{
        TextBuffer text = {0};

        for (int i = 1; i <= 100; i++)
                text_buffer_printf(&text, "name%d = x\n", i);
        bad_with(text.data, "t:32: there is no setting 'name32'; zksup.conf(5) lists them\n"
                            "t:33: no such option 'name33'; zksup.conf(5) lists all; what follows");
        text_buffer_deinit(&text);
        bad_with("a|b = x", "t:1: no sub-section title/index for 'a'; there is no '|' in the name of a setting\n");
}

static void a_text_without_a_unit_is_a_mistake(void **state)
{
        bad("", "t: describes no unit; write unit \"NAME\" { command = ... }\n");
        bad("# nothing\nroot = /a\n", "t: describes no unit; write unit \"NAME\" { command = ... }\n");
}

static void names_of_units_can_be_those_of_znodes(void **state)
{
        bad("unit 'a/b' { command = x }", "t:1: unit 'a/b' cannot have this name: it contains '/'\n");
        bad_with("unit '' { command = x }", "t:1: unit '' cannot have this name: it is empty");
}

static void reading_goes_on_well_after_a_mistake(void **state)
{
        for (int i = 0; i < 3; i++) {
                CLEANUP(config_free) Config *c = NULL;

                bad_with("unit a { command = \"x", "has no end");
                bad_with("unit a { command = 'x", "has no end");
                bad_with("/* unit", "has no end");
                c = good("unit a { command = x }");
                assert_string_equal(c->units[0]->command[0], "x");
        }
}

/* --- what differs ------------------------------------------------------------------------------- */

static void differ(const char *a, const char *b, enum ConfigChange wanted, const char *names)
{
        CLEANUP(config_free) Config *x = good(a), *y = good(b);
        TextBuffer which = {0};

        assert_int_equal(config_unit_compare(x->units[0], y->units[0], &which), wanted);
        assert_string_equal(which.data ?: "", names);
        text_buffer_deinit(&which);
}

static void units_differ_by_what_settings_mean(void **state)
{
        differ("unit a { command = 'x y' restart-delay = 60s }",
                "defaults { restart-delay = 1m } # more\n\nunit a { command = {x, y} }", CONFIG_SAME, "");
        differ("unit a { command = x }", "unit a { command = x restart-limit = 3/1m start = manual }",
                CONFIG_LIVE, "start, restart-limit");
        differ("unit a { command = x }", "unit a { command = y restart = never }", CONFIG_RESTART,
                "command, restart");
        differ("unit a { command = x lock = a }", "unit a { command = x lock = b }", CONFIG_RESTART, "lock");
        differ("unit a { command = x environment = 'A=1' }", "unit a { command = x environment = 'A=2' }",
                CONFIG_RESTART, "environment");
        differ("unit a { command = x }", "unit a { command = x lead = l }", CONFIG_RESTART, "lead");
}

static void a_changed_environment_is_a_difference(void **state)
{
        CLEANUP(config_free) Config *x = NULL, *y = NULL;
        TextBuffer which = {0};

        assert_int_equal(setenv("ZKSUP_TEST_A", "1", 1), 0);
        x = good("unit a { command = x directory = '/${ZKSUP_TEST_A}' }");
        assert_int_equal(setenv("ZKSUP_TEST_A", "2", 1), 0);
        y = good("unit a { command = x directory = '/${ZKSUP_TEST_A}' }");
        assert_int_equal(config_unit_compare(x->units[0], y->units[0], &which), CONFIG_RESTART);
        assert_string_equal(which.data, "directory");
        text_buffer_deinit(&which);
}

static void global_settings_that_need_a_new_start_are_named(void **state)
{
        CLEANUP(config_free)
        Config *x = good("unit a { command = x }"), *y = good("verbose = yes unit a { command = x }"),
               *z = good("root = /z grace = 1s unit a { command = x }");
        TextBuffer which = {0};

        assert_false(config_global_needs_restart(&x->global, &y->global, &which));
        assert_true(config_global_needs_restart(&x->global, &z->global, &which));
        assert_string_equal(which.data, "root, grace");
        text_buffer_deinit(&which);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(a_unit_that_says_nothing_has_the_defaults),
                cmocka_unit_test(global_settings_come_out), cmocka_unit_test(every_gate_comes_out),
                cmocka_unit_test(what_a_process_is_given_comes_out),
                cmocka_unit_test(defaults_are_for_units_that_do_not_say_otherwise),
                cmocka_unit_test(a_unit_with_restart_never_does_not_ask_again_for_a_lost_hold),
                cmocka_unit_test(a_service_is_ready_when_systemd_says_so),
                cmocka_unit_test(defaults_about_processes_are_not_for_services),
                cmocka_unit_test(a_unit_outlives_its_file),
                cmocka_unit_test(the_environment_is_put_in_where_it_is_expected_and_nowhere_else),
                cmocka_unit_test(a_variable_that_is_not_set_is_a_mistake),
                cmocka_unit_test(all_mistakes_are_told_in_the_order_of_the_lines),
                cmocka_unit_test(mistakes_of_syntax_say_where_and_what_to_do),
                cmocka_unit_test(what_stands_before_a_mistake_of_syntax_is_judged_too),
                cmocka_unit_test(a_setting_may_stand_once_in_a_section),
                cmocka_unit_test(a_list_may_be_written_on_several_lines_and_added_to),
                cmocka_unit_test(what_does_not_fit_together_is_told_at_its_line),
                cmocka_unit_test(a_file_that_is_rotated_belongs_to_one_unit),
                cmocka_unit_test(a_mistake_in_the_defaults_is_told_once),
                cmocka_unit_test(options_that_are_for_the_command_line_are_explained),
                cmocka_unit_test(unknown_names_without_end_end_somewhere),
                cmocka_unit_test(a_text_without_a_unit_is_a_mistake),
                cmocka_unit_test(names_of_units_can_be_those_of_znodes),
                cmocka_unit_test(reading_goes_on_well_after_a_mistake),
                cmocka_unit_test(units_differ_by_what_settings_mean),
                cmocka_unit_test(a_changed_environment_is_a_difference),
                cmocka_unit_test(global_settings_that_need_a_new_start_are_named)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
