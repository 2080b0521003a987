#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "config/config.h"
#include "recipe/election.h"
#include "recipe/semaphore.h"
#include "util/duration.h"
#include "util/signal-name.h"
#include "util/text.h"

int value_parse_string(const char *text, void *value, char *problem, size_t problem_size)
{
        if (*text == '\0') {
                snprintf(problem, problem_size, "must not be empty");
                return -EINVAL;
        }
        *(const char **)value = text;
        return 0;
}

int value_parse_duration(const char *text, void *value, char *problem, size_t problem_size)
{
        int r = duration_parse(text, value);

        if (r < 0)
                snprintf(problem, problem_size, "is no duration: write 500ms, 6s, 1m30s or infinity");
        return r;
}

int value_parse_number(const char *text, void *value, char *problem, size_t problem_size)
{
        int r = text_to_u64(text, 0, INT64_MAX, value);

        if (r < 0)
                snprintf(problem, problem_size, "is no whole number from 0 to %lld", (long long)INT64_MAX);
        return r;
}

int value_parse_component(const char *text, void *value, char *problem, size_t problem_size)
{
        const char *why = text_component_problem(text);

        if (why) {
                snprintf(problem, problem_size, "cannot be the name of a znode: it %s", why);
                return -EINVAL;
        }
        *(const char **)value = text;
        return 0;
}

int value_parse_root(const char *text, void *value, char *problem, size_t problem_size)
{
        char component[256];

        if (text[0] != '/' || text[1] == '\0') {
                snprintf(problem, problem_size, "is no path of a znode: write /name or /name/name");
                return -EINVAL;
        }
        for (const char *p = text; *p;) {
                size_t n = strcspn(p + 1, "/");
                const char *why;

                snprintf(component, sizeof(component), "%.*s", (int)MIN(n, sizeof(component) - 1), p + 1);
                why = text_component_problem(component);
                if (why) {
                        snprintf(problem, problem_size, "is no path of a znode: a component %s", why);
                        return -EINVAL;
                }
                p += n + 1;
        }
        *(const char **)value = text;
        return 0;
}

int value_parse_signal(const char *text, void *value, char *problem, size_t problem_size)
{
        int signal = signal_from_string(text);

        if (signal < 0 || signal == SIGKILL || signal == SIGSTOP) {
                snprintf(problem, problem_size, "is no signal for this: write a name such as TERM or INT");
                return -EINVAL;
        }
        *(int *)value = signal;
        return 0;
}

int value_choose(const ValueChoice *choices, const char *text, int *value, char *problem, size_t problem_size)
{
        size_t used = (size_t)snprintf(problem, problem_size, "is none of");

        for (const ValueChoice *c = choices; c->name; c++) {
                if (strcmp(c->name, text) == 0) {
                        *value = c->value;
                        return 0;
                }
                used += (size_t)snprintf(problem + used, problem_size - used, " %s", c->name);
        }
        return -EINVAL;
}

int value_parse_restart(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {{"always", UNIT_RESTART_ALWAYS},
                {"on-failure", UNIT_RESTART_ON_FAILURE}, {"never", UNIT_RESTART_NEVER}, {NULL}};

        return value_choose(choices, text, value, problem, problem_size);
}

int value_parse_contain(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {{"auto", CONTAIN_AUTO}, {"cgroup", CONTAIN_CGROUP},
                {"pidns", CONTAIN_PIDNS}, {"subreaper", CONTAIN_SUBREAPER}, {NULL}};

        return value_choose(choices, text, value, problem, problem_size);
}

int value_parse_on_loss(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {{"restart", true}, {"stop", false}, {NULL}};
        UnitPolicy *policy = value;
        int reacquire, r = value_choose(choices, text, &reacquire, problem, problem_size);

        if (r == 0)
                policy->reacquire = reacquire;
        return r;
}

int value_parse_on_unkillable(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {
                {"hold", UNIT_ON_UNKILLABLE_HOLD}, {"takeover", UNIT_ON_UNKILLABLE_TAKEOVER}, {NULL}};
        UnitPolicy *policy = value;
        int what, r = value_choose(choices, text, &what, problem, problem_size);

        if (r == 0)
                policy->on_unkillable = (enum UnitOnUnkillable)what;
        return r;
}

int value_parse_on_suspend(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {{"keep", UNIT_ON_SUSPEND_KEEP},
                {"freeze", UNIT_ON_SUSPEND_FREEZE}, {"stop", UNIT_ON_SUSPEND_STOP},
                {"signal:NAME", UNIT_ON_SUSPEND_SIGNAL}, {NULL}};
        UnitPolicy *policy = value;
        int what, r;

        if (text_has_prefix(text, "signal:")) {
                r = value_parse_signal(text + 7, &policy->suspend_signal, problem, problem_size);
                what = UNIT_ON_SUSPEND_SIGNAL;
        } else {
                r = value_choose(choices, text, &what, problem, problem_size);
        }
        if (r == 0)
                policy->on_suspend = (enum UnitOnSuspend)what;
        return r;
}

/* "N/TIME" or "none". */
int value_parse_restart_limit(const char *text, void *value, char *problem, size_t problem_size)
{
        BackoffPolicy *backoff = value;
        CLEANUP_STRING number = NULL;
        const char *slash = strchr(text, '/');
        uint64_t limit, window;

        if (strcmp(text, "none") == 0) {
                backoff->limit = 0;
                return 0;
        }
        number = slash ? strndup(text, (size_t)(slash - text)) : NULL;
        if (!number || text_to_u64(number, 1, 1000000, &limit) < 0 ||
                duration_parse(slash + 1, &window) < 0 || window == 0) {
                snprintf(problem, problem_size, "is no limit: write 10/1m (ten starts a minute) or none");
                return -EINVAL;
        }
        backoff->limit = (uint32_t)limit;
        backoff->window_usec = window;
        return 0;
}

int value_parse_ready(const char *text, void *value, char *problem, size_t problem_size)
{
        return readiness_parse(text, value, problem, problem_size);
}

int value_parse_reuse(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {
                {"skip", SEQUENCE_REUSE_SKIP}, {"wait", SEQUENCE_REUSE_WAIT}, {NULL}};

        return value_choose(choices, text, value, problem, problem_size);
}

int value_parse_priority(const char *text, void *value, char *problem, size_t problem_size)
{
        uint64_t priority;

        if (value_parse_number(text, &priority, problem, problem_size) == 0 &&
                priority <= ELECTION_PRIORITY_MAX) {
                *(uint64_t *)value = priority;
                return 0;
        }
        snprintf(problem, problem_size, "is no priority: write 0 to %d, higher leads first",
                ELECTION_PRIORITY_MAX);
        return -EINVAL;
}

int value_parse_give_up(const char *text, void *value, char *problem, size_t problem_size)
{
        uint64_t n;

        if (value_parse_number(text, &n, problem, problem_size) == 0 && n <= 1000000) {
                *(uint64_t *)value = n;
                return 0;
        }
        snprintf(problem, problem_size, "is no number of failed runs: write 1 to 1000000, or 0 for never");
        return -EINVAL;
}

int value_parse_slots(const char *text, void *value, char *problem, size_t problem_size)
{
        uint64_t slots;

        if (value_parse_number(text, &slots, problem, problem_size) == 0 && slots >= 1 &&
                slots <= SEMAPHORE_SLOTS_MAX) {
                *(uint64_t *)value = slots;
                return 0;
        }
        snprintf(problem, problem_size, "is no number of slots: write 1 to %d", SEMAPHORE_SLOTS_MAX);
        return -EINVAL;
}

int value_parse_schedule(const char *text, void *value, char *problem, size_t problem_size)
{
        char why[160];
        int r = cron_schedule_parse(value, text, why, sizeof(why));

        if (r < 0)
                snprintf(problem, problem_size, "is no schedule: %s", why);
        return r;
}

int value_parse_overlap(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {{"skip", CRON_OVERLAP_SKIP}, {"queue", CRON_OVERLAP_QUEUE},
                {"kill", CRON_OVERLAP_KILL}, {NULL}};

        return value_choose(choices, text, value, problem, problem_size);
}

int value_parse_missed(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {
                {"skip", CONFIG_MISSED_SKIP}, {"run-once", CONFIG_MISSED_RUN_ONCE}, {NULL}};

        return value_choose(choices, text, value, problem, problem_size);
}

int value_parse_flag(const char *text, void *value, char *problem, size_t problem_size)
{
        static const ValueChoice choices[] = {
                {"yes", 1}, {"no", 0}, {"true", 1}, {"false", 0}, {"on", 1}, {"off", 0}, {NULL}};
        int flag, r = value_choose(choices, text, &flag, problem, problem_size);

        if (r == 0)
                *(bool *)value = flag;
        return r;
}

int value_parse_size(const char *text, void *value, char *problem, size_t problem_size)
{
        static const char units[] = "KMG";
        size_t len = strlen(text);
        const char *unit = len ? strchr(units, text[len - 1]) : NULL;
        unsigned shift = unit && *unit ? 10 * (unsigned)(unit - units + 1) : 0;
        CLEANUP_STRING number = strndup(text, shift ? len - 1 : len);
        uint64_t n;

        if (!number || text_to_u64(number, 0, (uint64_t)INT64_MAX >> shift, &n) < 0) {
                snprintf(problem, problem_size, "is no size: write 500K, 10M, 1G or a number of bytes");
                return -EINVAL;
        }
        *(uint64_t *)value = n << shift;
        return 0;
}

bool value_is_variable(const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (!(isalnum((unsigned char)text[i]) || text[i] == '_') ||
                        (i == 0 && isdigit((unsigned char)text[i])))
                        return false;
        return n > 0;
}
