#include "manager/reexec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "manager/timer.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define HEADER "zksup-state"
#define VERSION 1
#define STATE_MAX (256u << 20)
/* How often to look for a quiet moment, and for how long; and how long the new program may take to say yes. */
#define LOOK_USEC (5 * USEC_PER_MSEC)
#define WAIT_USEC (5 * USEC_PER_SEC)
#define CHECK_USEC (5 * USEC_PER_SEC)
#define ARGUMENTS_MAX (1u << 20)

enum Step {
        STEP_WAIT,
        STEP_CHECK,
        STEP_WAIT_AGAIN,
        STEP_FAILED,
};

struct Reexec {
        const ReexecOps *ops;
        void *userdata;
        Reaper *reaper;
        Timer timer;
        enum Step step;
        uint64_t until_usec;
        char *program;
        char *arguments; /* as in /proc/PID/cmdline */
        size_t arguments_len;
        ReaperWatch watch; /* of the check */
        pid_t pid;
        int output_fd; /* what it prints */
        char obstacle[300];
};

static void fail(Reexec *r, const char *why)
{
        r->step = STEP_FAILED;
        timer_set(&r->timer, USEC_INFINITY);
        r->ops->failed(r->userdata, why);
}

/* --- the state ---------------------------------------------------------------------------------- */

/* The text in a memfd without CLOEXEC that nobody changes any more; or a negative errno. */
static int make_memfd(const SavedWriter *w)
{
        CLEANUP_FD fd = memfd_create("zksup-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = file_write_all(fd, w->text.data, w->text.len);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0 ||
                fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static bool save(Reexec *r, SavedWriter *w)
{
        saved_put_number(w, HEADER, VERSION);
        if (!r->ops->save(r->userdata, w, r->obstacle, sizeof(r->obstacle)))
                return false;
        if (!saved_writer_failed(w))
                return true;
        snprintf(r->obstacle, sizeof(r->obstacle), "out of memory");
        return false;
}

int reexec_read(Saved *saved, int fd, char *problem, size_t size)
{
        CLEANUP_STRING text = NULL;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > STATE_MAX) {
                snprintf(problem, size, "descriptor %d is no state of a zksup", fd);
                return -EBADF;
        }
        text = malloc((size_t)st.st_size);
        if (!text)
                return -ENOMEM;
        if (pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
                snprintf(problem, size, "the state cannot be read");
                return -EIO;
        }
        r = saved_parse(saved, text, (size_t)st.st_size);
        explicit_bzero(text, (size_t)st.st_size); /* the password of the session is in it */
        if (r == 0 && saved_get_number(saved, HEADER, 0) != VERSION) {
                saved_deinit(saved);
                r = -EBADMSG;
        }
        if (r < 0)
                snprintf(problem, size, "the state is not one that this version understands (%s %d)", HEADER, VERSION);
        return r;
}

int reexec_read_environment(Saved *saved, char *problem, size_t size)
{
        const char *env = getenv(REEXEC_STATE_FD);
        uint64_t fd;
        int r;

        if (!env)
                return 0;
        r = text_to_u64(env, 3, INT32_MAX, &fd);
        (void)unsetenv(REEXEC_STATE_FD);
        if (r < 0) {
                snprintf(problem, size, "%s is no descriptor", REEXEC_STATE_FD);
                return r;
        }
        r = reexec_read(saved, (int)fd, problem, size);
        close((int)fd);
        return r < 0 ? r : 1;
}

static uint64_t bits_of(const sigset_t *set)
{
        uint64_t bits = 0;

        for (int i = 1; i <= 64; i++)
                if (sigismember(set, i) == 1)
                        bits |= UINT64_C(1) << (i - 1);
        return bits;
}

static void set_bits(sigset_t *set, uint64_t bits)
{
        sigemptyset(set);
        for (int i = 1; i <= 64; i++)
                if (bits & (UINT64_C(1) << (i - 1)))
                        (void)sigaddset(set, i);
}

void reexec_save_signals(SavedWriter *w, const sigset_t *blocked, const sigset_t *ignored)
{
        saved_put_number(w, "signals-blocked", bits_of(blocked));
        saved_put_number(w, "signals-ignored", bits_of(ignored));
}

void reexec_restore_signals(const Saved *saved, sigset_t *blocked, sigset_t *ignored)
{
        set_bits(blocked, saved_get_number(saved, "signals-blocked", 0));
        set_bits(ignored, saved_get_number(saved, "signals-ignored", bits_of(ignored)));
}

/* --- the program -------------------------------------------------------------------------------- */

/* The file that we were executed from, or what is there by now: an upgrade puts another one in its place, and the kernel
 * then says "(deleted)" (proc_pid_exe(5)). */
static char *find_program(void)
{
        static const char gone[] = " (deleted)";
        char path[4096];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

        if (n <= 0)
                return NULL;
        path[n] = '\0';
        if (text_has_suffix(path, gone) && access(path, F_OK) < 0)
                path[n - (ssize_t)strlen(gone)] = '\0';
        return strdup(path);
}

/* As we were started: options_parse() only moves pointers. MORE are put behind. */
static char **make_argv(const Reexec *r, const char *more, const char *more_value)
{
        size_t n = 0, room = 4;
        char **argv;

        for (size_t i = 0; i < r->arguments_len; i++)
                room += r->arguments[i] == '\0';
        argv = calloc(room, sizeof(*argv));
        for (size_t i = 0; argv && i < r->arguments_len; i += strlen(r->arguments + i) + 1)
                argv[n++] = r->arguments + i;
        if (argv && more) {
                argv[n++] = (char *)more;
                argv[n++] = (char *)more_value;
        }
        return argv;
}

/* Nothing is changed by it that is not changed back, if it fails. */
static int execute(Reexec *r, const SavedWriter *w)
{
        CLEANUP_FD fd = make_memfd(w);
        char **argv = make_argv(r, NULL, NULL);
        char number[16];
        int error;

        if (fd < 0 || !argv) {
                free(argv);
                return fd < 0 ? fd : -ENOMEM;
        }
        snprintf(number, sizeof(number), "%d", fd);
        r->ops->leave(r->userdata);
        error = saved_writer_keep_fds(w, true);
        if (error == 0 && fcntl(fd, F_SETFD, 0) == 0 && setenv(REEXEC_STATE_FD, number, 1) == 0) {
                (void)execve(r->program, argv, environ);
                error = -errno;
        }
        (void)unsetenv(REEXEC_STATE_FD);
        (void)saved_writer_keep_fds(w, false);
        r->ops->stay(r->userdata);
        free(argv);
        return error < 0 ? error : -EIO;
}

/* --- the check ---------------------------------------------------------------------------------- */

static void await_moment(Reexec *r, enum Step step)
{
        r->step = step;
        r->until_usec = usec_add(clock_boottime_usec(), WAIT_USEC);
        timer_set(&r->timer, clock_boottime_usec());
}

/* What it has printed: the last line counts, and is what people are told if it is not the one that we want. */
static void read_answer(const Reexec *r, char *line, size_t size)
{
        char text[4096];
        ssize_t n = read(r->output_fd, text, sizeof(text) - 1);
        char *last;

        text[MAX(n, 0)] = '\0';
        while (n > 0 && text[n - 1] == '\n')
                text[--n] = '\0';
        last = strrchr(text, '\n');
        snprintf(line, size, "%.400s", last ? last + 1 : text);
}

static void on_checked(ReaperWatch *watch, int code, int status)
{
        Reexec *r = CONTAINER_OF(watch, Reexec, watch);
        char line[420], why[600];

        if (code == CLD_STOPPED || r->pid == 0)
                return;
        r->pid = 0;
        read_answer(r, line, sizeof(line));
        r->output_fd = fd_close(r->output_fd);
        if (code == CLD_EXITED && status == 0 && strcmp(line, REEXEC_YES) == 0) {
                await_moment(r, STEP_WAIT_AGAIN);
                return;
        }
        snprintf(why, sizeof(why), "%s cannot go on from here: %s", r->program,
                line[0] && strcmp(line, REEXEC_YES) != 0 ? line : "it does not say why");
        fail(r, why);
}

static int spawn_check(Reexec *r, int state_fd, int output_fd)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        char number[16];
        char **argv;
        sigset_t none;
        int e;

        snprintf(number, sizeof(number), "%d", state_fd);
        argv = make_argv(r, "--" REEXEC_CHECK_OPTION, number);
        if (!argv)
                return -ENOMEM;
        sigemptyset(&none);
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        e = posix_spawn_file_actions_adddup2(&actions, state_fd, state_fd);
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && e == 0; fd++)
                e = posix_spawn_file_actions_adddup2(&actions, output_fd, fd);
        if (e == 0)
                e = posix_spawn(&r->pid, r->program, &actions, &attributes, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        free(argv);
        if (e)
                r->pid = 0;
        return -e;
}

static int begin_check(Reexec *r, const SavedWriter *w)
{
        CLEANUP_FD state = make_memfd(w);
        int fds[2], e;

        if (state < 0)
                return state;
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        r->output_fd = fds[0];
        e = spawn_check(r, state, fds[1]);
        close(fds[1]);
        if (e < 0) {
                r->output_fd = fd_close(r->output_fd);
                return e;
        }
        reaper_watch(r->reaper, &r->watch, r->pid, on_checked);
        r->step = STEP_CHECK;
        timer_set(&r->timer, usec_add(clock_boottime_usec(), CHECK_USEC));
        return 0;
}

/* --- the steps ---------------------------------------------------------------------------------- */

static void look(Reexec *r)
{
        SavedWriter w = {0};
        char why[500];
        int e;

        if (!save(r, &w)) {
                saved_writer_deinit(&w);
                if (clock_boottime_usec() < r->until_usec) {
                        timer_set(&r->timer, clock_boottime_usec() + LOOK_USEC);
                        return;
                }
                snprintf(why, sizeof(why), "there was no quiet moment: %s", r->obstacle);
                fail(r, why);
                return;
        }
        e = r->step == STEP_WAIT ? begin_check(r, &w) : execute(r, &w);
        if (w.text.data)
                explicit_bzero(w.text.data, w.text.len);
        saved_writer_deinit(&w);
        if (e < 0) {
                snprintf(why, sizeof(why), "cannot execute %s: %s", r->program, strerror(-e));
                fail(r, why);
        }
}

static void on_timer(void *userdata)
{
        Reexec *r = userdata;

        switch (r->step) {
        case STEP_WAIT:
        case STEP_WAIT_AGAIN:
                look(r);
                break;
        case STEP_CHECK:
                kill(r->pid, SIGKILL); /* its end is told */
                break;
        case STEP_FAILED:
                break;
        }
}

int reexec_new(Reexec **out, sd_event *event, Reaper *reaper, const ReexecOps *ops, void *userdata)
{
        CLEANUP(reexec_free) Reexec *r = calloc(1, sizeof(*r));
        int e;

        if (!r)
                return -ENOMEM;
        r->ops = ops;
        r->userdata = userdata;
        r->reaper = reaper;
        r->output_fd = -1;
        r->program = find_program();
        if (!r->program)
                return -ENOENT;
        e = file_read("/proc/self/cmdline", ARGUMENTS_MAX, &r->arguments, &r->arguments_len);
        if (e < 0)
                return e;
        e = timer_init(&r->timer, event, SD_EVENT_PRIORITY_IDLE, on_timer, r);
        if (e < 0)
                return e;
        await_moment(r, STEP_WAIT);
        *out = TAKE(r);
        return 0;
}

Reexec *reexec_free(Reexec *r)
{
        if (!r)
                return NULL;
        if (r->pid > 0) {
                kill(r->pid, SIGKILL);
                reaper_unwatch(&r->watch);
        }
        timer_deinit(&r->timer);
        fd_close(r->output_fd);
        free(r->arguments);
        free(r->program);
        free(r);
        return NULL;
}

bool reexec_is_on(const Reexec *r)
{
        return r && r->step != STEP_FAILED;
}
