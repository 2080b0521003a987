/* How a command runs: the user, the limits, the directory and the environment that the unit asks for, seen from
 * inside the command, in every containment that is to be had here. The command is this program itself. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "unit/child-environment.h"
#include "unit/child-identity.h"
#include "unit/descriptors.h"
#include "unit/spawn.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/text.h"

#define WAIT_USEC (20 * USEC_PER_SEC) /* only a failure takes this long */
#define NOBODY 65534

static char dir[64]; /* where a user who may do nothing finds both programs */
static char self[96], guard[96], problem[600];

/* --- the command -------------------------------------------------------------------------------- */

static void report_file(const char *path, const char *prefix)
{
        CLEANUP_STRING text = NULL;

        if (file_read(path, 1 << 16, &text, NULL) < 0)
                return;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                if (text_has_prefix(line, prefix))
                        printf("%s\n", line);
}

static void report_limit(const char *name, int resource)
{
        struct rlimit limit;

        getrlimit((__rlimit_resource_t)resource, &limit);
        printf("%s %lld:%lld\n", name, (long long)limit.rlim_cur, (long long)limit.rlim_max);
}

static int report(void)
{
        uid_t ruid, euid, suid;
        gid_t rgid, egid, sgid, groups[256];
        char cwd[4096];
        mode_t mask = umask(0);
        int n = getgroups(256, groups), death = 0;

        getresuid(&ruid, &euid, &suid);
        getresgid(&rgid, &egid, &sgid);
        printf("uid %u %u %u\ngid %u %u %u\ngroups", ruid, euid, suid, rgid, egid, sgid);
        for (int i = 0; i < n; i++)
                printf(" %u", groups[i]);
        prctl(PR_GET_PDEATHSIG, &death);
        printf("\numask %03o\nnice %d\ndeath %d\ncwd %s\n", mask, getpriority(PRIO_PROCESS, 0), death,
                getcwd(cwd, sizeof(cwd)));
        report_limit("nofile", RLIMIT_NOFILE);
        report_limit("core", RLIMIT_CORE);
        report_file("/proc/self/status", "CapEff");
        report_file("/proc/self/status", "CapPrm");
        printf("oom ");
        fflush(stdout);
        report_file("/proc/self/oom_score_adj", "");
        for (char **e = environ; *e; e++)
                printf("env %s\n", *e);
        fflush(stdout);
        _exit(0);
}

/* --- the rig ------------------------------------------------------------------------------------ */

typedef struct Rig {
        sd_event *event;
        Reaper *reaper;
        LeasePage *page;
        Spawn *spawn;
        bool ready, failed, empty;
        enum ContainMode contain;
        SpawnEvent failure;
        char text[1 << 16];
} Rig;

static void on_event(Spawn *spawn, const SpawnEvent *event, void *userdata)
{
        Rig *rig = userdata;

        rig->ready |= event->type == SPAWN_READY;
        rig->empty |= event->type == SPAWN_EMPTY;
        if (event->type == SPAWN_READY)
                rig->contain = event->contain;
        if (event->type == SPAWN_EXEC_FAILED) {
                rig->failed = true;
                rig->failure = *event;
        }
}

static void await(Rig *rig, const bool *what)
{
        uint64_t until = clock_boottime_usec() + WAIT_USEC;

        while (!*what) {
                assert_true(clock_boottime_usec() < until);
                assert_true(sd_event_run(rig->event, 20 * USEC_PER_MSEC) >= 0);
        }
}

static void rig_init(Rig *rig)
{
        memset(rig, 0, sizeof(*rig));
        assert_int_equal(sd_event_new(&rig->event), 0);
        assert_int_equal(reaper_new(&rig->reaper, rig->event), 0);
        assert_int_equal(lease_page_new(&rig->page, 4), 0);
}

static void rig_deinit(Rig *rig)
{
        spawn_free(rig->spawn);
        reaper_free(rig->reaper);
        lease_page_free(rig->page);
        sd_event_unref(rig->event);
}

static int rig_spawn(Rig *rig, enum ContainMode mode, const ChildConfig *child, int out)
{
        char *argv[] = {self, (char *)"--report", NULL};
        SpawnConfig config = {.guard_path = guard,
                .argv = argv,
                .name = "child",
                .contain = mode,
                .child = child,
                .problem = problem,
                .problem_size = sizeof(problem),
                .use_stdio = true,
                .stdio = {-1, out, -1}};

        problem[0] = 0;
        return spawn_new(&rig->spawn, rig->event, rig->reaper, rig->page, &config, on_event, rig);
}

/* Runs the command as CHILD says; what it reports is in rig->text, or rig->failed. False: no such
 * containment here. */
static bool run(Rig *rig, enum ContainMode mode, const ChildConfig *child)
{
        char *env[] = {(char *)"ZK_FENCE=7", NULL};
        SpawnStart start = {.deadline_usec = LEASE_DEADLINE_NONE, .env = env};
        FILE *out = tmpfile();
        size_t n;

        assert_non_null(out);
        rig_init(rig);
        if (rig_spawn(rig, mode, child, fileno(out)) < 0 && mode == CONTAIN_CGROUP && !problem[0]) {
                rig_deinit(rig);
                fclose(out);
                return false;
        }
        assert_non_null(rig->spawn);
        await(rig, &rig->ready);
        if (rig->contain == mode) {
                assert_int_equal(spawn_start(rig->spawn, &start), 0);
                await(rig, &rig->empty);
                rewind(out);
                n = fread(rig->text, 1, sizeof(rig->text) - 1, out);
                rig->text[n] = 0;
        }
        fclose(out);
        rig_deinit(rig);
        return rig->contain == mode;
}

static bool has_line(const Rig *rig, const char *line)
{
        CLEANUP_STRING wanted = NULL;
        CLEANUP_STRING text = NULL;

        assert_true(asprintf(&wanted, "\n%s\n", line) > 0 && asprintf(&text, "\n%s", rig->text) > 0);
        return strstr(text, wanted);
}

static void assert_line(const Rig *rig, const char *fmt, ...)
{
        char line[400];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        if (!has_line(rig, line))
                fail_msg("no line '%s' in:\n%s", line, rig->text);
}

static const enum ContainMode modes[] = {CONTAIN_SUBREAPER, CONTAIN_CGROUP, CONTAIN_PIDNS};

static void skip_unless_root(void)
{
        if (geteuid() != 0)
                skip();
}

/* --- tests -------------------------------------------------------------------------------------- */

static void without_a_word_everything_is_ours(void **state)
{
        struct rlimit limit;
        mode_t mask = umask(0);
        char cwd[4096];
        Rig rig;

        umask(mask);
        getrlimit(RLIMIT_NOFILE, &limit);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                const ChildConfig config = CHILD_CONFIG_DEFAULT;

                for (int with = 0; with < 2; with++) {
                        if (!run(&rig, modes[i], with ? &config : NULL))
                                continue;
                        assert_false(rig.failed);
                        assert_line(&rig, "uid %u %u %u", getuid(), getuid(), getuid());
                        assert_line(&rig, "umask %03o", mask);
                        assert_line(&rig, "nice %d", getpriority(PRIO_PROCESS, 0));
                        assert_line(&rig, "cwd %s", getcwd(cwd, sizeof(cwd)));
                        assert_line(&rig, "death %d", SIGKILL);
                        assert_line(&rig, "nofile %lld:%lld", (long long)limit.rlim_cur, (long long)limit.rlim_max);
                        assert_line(&rig, "env ZK_FENCE=7");
                        assert_line(&rig, "env PATH=%s", getenv("PATH"));
                }
        }
}

static void everything_is_as_the_unit_asks_in_every_containment(void **state)
{
        char *environment[] = {(char *)"COLOUR=green", (char *)"ZK_FENCE=overridden", (char *)"LANG=C.UTF-8",
                (char *)"SHELL=/bin/other", NULL};
        ChildConfig child = {.user = "nobody",
                .directory = "/usr",
                .environment = environment,
                .clear_environment = true,
                .limits = {{RLIMIT_NOFILE, 64, 100}, {RLIMIT_CORE, 0, 0}},
                .n_limits = 2,
                .umask = 027,
                .has_nice = true,
                .nice = 5,
                .has_oom_score_adjust = true,
                .oom_score_adjust = 300};
        Rig rig;

        skip_unless_root();
        setenv("SECRET", "x", 1);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                if (!run(&rig, modes[i], &child))
                        continue;
                print_message("%s\n", contain_mode_to_string(modes[i]));
                assert_false(rig.failed);
                assert_line(&rig, "uid %d %d %d", NOBODY, NOBODY, NOBODY);
                assert_line(&rig, "gid %d %d %d", NOBODY, NOBODY, NOBODY);
                assert_line(&rig, "groups %d", NOBODY);
                assert_line(&rig, "umask 027");
                assert_line(&rig, "nice 5");
                assert_line(&rig, "oom 300");
                assert_line(&rig, "death %d", SIGKILL);
                assert_line(&rig, "cwd /usr");
                assert_line(&rig, "nofile 64:100");
                assert_line(&rig, "core 0:0");
                assert_line(&rig, "CapEff:\t0000000000000000");
                assert_line(&rig, "CapPrm:\t0000000000000000");
                assert_line(&rig, "env COLOUR=green");
                assert_line(&rig, "env ZK_FENCE=7"); /* ours comes last */
                assert_line(&rig, "env LANG=C.UTF-8");
                assert_line(&rig, "env USER=nobody");
                assert_line(&rig, "env LOGNAME=nobody");
                assert_line(&rig, "env HOME=%s", getpwnam("nobody")->pw_dir);
                assert_line(&rig, "env SHELL=/bin/other");
                assert_line(&rig, "env PATH=%s", getenv("PATH"));
                assert_null(strstr(rig.text, "SECRET"));
        }
        unsetenv("SECRET");
}

static void a_number_does_for_a_user_whom_nobody_knows_if_the_group_is_given(void **state)
{
        ChildConfig child = {.user = "4242", .group = "nogroup", .umask = -1};
        Rig rig;

        skip_unless_root();
        assert_true(run(&rig, CONTAIN_SUBREAPER, &child));
        assert_line(&rig, "uid 4242 4242 4242");
        assert_line(&rig, "gid %d %d %d", NOBODY, NOBODY, NOBODY);
        assert_line(&rig, "groups %d", NOBODY);
        assert_null(strstr(rig.text, "env HOME="));
        assert_null(strstr(rig.text, "env USER="));
}

static void a_group_alone_leaves_the_user(void **state)
{
        ChildConfig child = {.group = "nogroup", .umask = -1};
        Rig rig;

        skip_unless_root();
        assert_true(run(&rig, CONTAIN_SUBREAPER, &child));
        assert_line(&rig, "uid 0 0 0");
        assert_line(&rig, "gid %d %d %d", NOBODY, NOBODY, NOBODY);
}

typedef struct Failure {
        ChildConfig child;
        enum WireStage stage;
        int error;
        const char *says;
} Failure;

static void what_cannot_be_done_is_named(void **state)
{
        char private[96], says[300], text[300];
        const Failure failures[] = {
                {{.directory = "/nonexistent", .umask = -1}, WIRE_STAGE_DIRECTORY, ENOENT,
                        "cannot change to directory '/nonexistent': No such file or directory"},
                {{.user = "nobody", .directory = private, .umask = -1}, WIRE_STAGE_DIRECTORY, EACCES, says},
                {{.limits = {{RLIMIT_NOFILE, 10, 1ULL << 40}}, .n_limits = 1, .umask = -1}, WIRE_STAGE_LIMIT, EPERM,
                        "cannot set limit 'nofile' to 10:1099511627776: Operation not permitted"},
        };
        Rig rig;

        skip_unless_root();
        snprintf(private, sizeof(private), "%s/private", dir);
        snprintf(says, sizeof(says), "cannot change to directory '%s' as user 'nobody': Permission denied", private);
        for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
                for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
                        const Failure *f = &failures[i];

                        if (!run(&rig, modes[m], &f->child))
                                continue;
                        assert_true(rig.failed);
                        assert_int_equal(rig.failure.stage, f->stage);
                        assert_int_equal(rig.failure.error, f->error);
                        assert_string_equal(rig.text, "");
                        child_config_explain(&f->child, "cmd", rig.failure.stage, rig.failure.error, rig.failure.which, text,
                                sizeof(text));
                        assert_string_equal(text, f->says);
                }
}

static void names_that_mean_nothing_are_refused_before_a_guard_starts(void **state)
{
        static const struct {
                ChildConfig child;
                const char *says;
        } cases[] = {
                {{.user = "no-such-user", .umask = -1}, "there is no user 'no-such-user' on this host"},
                {{.group = "no-such-group", .umask = -1}, "there is no group 'no-such-group' on this host"},
                {{.user = "4242", .umask = -1},
                        "user 4242 is in no database, so its group is not known: set 'group' as well"},
                {{.user = "4294967295", .group = "0", .umask = -1}, "there is no user '4294967295' on this host"},
        };
        Rig rig;

        rig_init(&rig);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(rig_spawn(&rig, CONTAIN_SUBREAPER, &cases[i].child, -1), -EINVAL);
                assert_string_equal(problem, cases[i].says);
        }
        rig_deinit(&rig);
}

/* In a process of its own, which cannot become root again. */
static int as_nobody(void (*test)(void))
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                        setresuid(NOBODY, NOBODY, NOBODY) < 0)
                        _exit(99);
                test();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void try_users(void)
{
        static const ChildConfig own = {.user = "nobody", .umask = -1}, root = {.user = "root", .umask = -1},
                                 group = {.group = "daemon", .umask = -1};
        static Rig rig;

        if (!run(&rig, CONTAIN_SUBREAPER, &own) || !has_line(&rig, "uid 65534 65534 65534") ||
                !has_line(&rig, "env USER=nobody"))
                _exit(1);
        rig_init(&rig);
        if (rig_spawn(&rig, CONTAIN_SUBREAPER, &root, -1) != -EPERM ||
                strcmp(problem, "only root may change to user 'root': start zksup as root, or as that user"))
                _exit(2);
        if (rig_spawn(&rig, CONTAIN_SUBREAPER, &group, -1) != -EPERM ||
                strcmp(problem, "only root may change to group 'daemon': start zksup as root, or as that group"))
                _exit(3);
        rig_deinit(&rig);
}

static void whoever_is_not_root_may_be_himself_only(void **state)
{
        skip_unless_root();
        assert_int_equal(as_nobody(try_users), 0);
}

static void descriptors_are_raised_for_us_alone(void **state)
{
        struct rlimit before, now, original;
        ChildConfig child = {.limits = {{RLIMIT_NOFILE, 300, 400}}, .n_limits = 1, .umask = -1};
        Rig rig;

        getrlimit(RLIMIT_NOFILE, &before);
        if (before.rlim_max < 1000)
                skip();
        now = (struct rlimit){512, before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &now);
        assert_false(descriptors_original(&original));
        assert_int_equal(descriptors_raise(), 0);
        assert_int_equal(descriptors_raise(), 0);
        getrlimit(RLIMIT_NOFILE, &now);
        assert_true(now.rlim_cur == before.rlim_max);
        assert_true(descriptors_original(&original) && original.rlim_cur == 512);
        assert_true(run(&rig, CONTAIN_SUBREAPER, NULL));
        assert_line(&rig, "nofile 512:%lld", (long long)before.rlim_max);
        assert_true(run(&rig, CONTAIN_SUBREAPER, &child));
        assert_line(&rig, "nofile 300:400");
        descriptors_restore();
        getrlimit(RLIMIT_NOFILE, &now);
        assert_int_equal(now.rlim_cur, 512);
        setrlimit(RLIMIT_NOFILE, &before);
}

/* --- setting up --------------------------------------------------------------------------------- */

static void copy(const char *from, const char *to)
{
        CLEANUP_STRING data = NULL;
        size_t len;

        assert_int_equal(file_read(from, 1 << 28, &data, &len), 0);
        assert_int_equal(file_write_atomic(to, data, len, 0755), 0);
        assert_int_equal(chmod(to, 0755), 0);
}

static int set_up(void **state)
{
        CLEANUP_STRING found = NULL;
        char path[96];

        snprintf(dir, sizeof(dir), "/tmp/zksup-test-child-XXXXXX");
        assert_non_null(mkdtemp(dir));
        assert_int_equal(chmod(dir, 0755), 0);
        snprintf(self, sizeof(self), "%s/report", dir);
        snprintf(guard, sizeof(guard), "%s/guard", dir);
        assert_int_equal(spawn_find_guard(&found), 0);
        copy("/proc/self/exe", self);
        copy(found, guard);
        snprintf(path, sizeof(path), "%s/private", dir);
        assert_int_equal(mkdir(path, 0700), 0);
        return 0;
}

static int tear_down(void **state)
{
        char path[96];

        snprintf(path, sizeof(path), "%s/private", dir);
        rmdir(path);
        unlink(self);
        unlink(guard);
        return rmdir(dir);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_word_everything_is_ours),
                cmocka_unit_test(everything_is_as_the_unit_asks_in_every_containment),
                cmocka_unit_test(a_number_does_for_a_user_whom_nobody_knows_if_the_group_is_given),
                cmocka_unit_test(a_group_alone_leaves_the_user),
                cmocka_unit_test(what_cannot_be_done_is_named),
                cmocka_unit_test(names_that_mean_nothing_are_refused_before_a_guard_starts),
                cmocka_unit_test(whoever_is_not_root_may_be_himself_only),
                cmocka_unit_test(descriptors_are_raised_for_us_alone),
        };

        if (argc > 1 && strcmp(argv[1], "--report") == 0)
                return report();
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
