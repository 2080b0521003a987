#include "cli/check-host.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ensemble/four-letter.h"
#include "ensemble/health.h"
#include "unit/cgroup.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/file.h"
#include "util/text.h"

#define CLOCK_SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

void check_host_problem(const char *fmt, ...)
{
        va_list ap;

        fputs("PROBLEM: ", stdout);
        va_start(ap, fmt);
        vprintf(fmt, ap);
        va_end(ap);
        putchar('\n');
}

/* --- the clock ---------------------------------------------------------------------------------- */

/* The lease asks for clocks that run within 10 % of true time. */
unsigned check_host_clock(void)
{
        static const char *const good[] = {"tsc", "kvm-clock", "xen", "hyperv_clocksource",
                "arch_sys_counter", "timebase", "tod", "riscv_clocksource"};
        static const char *const slow[] = {"hpet", "acpi_pm"};
        CLEANUP_STRING text = NULL;
        size_t len;

        if (file_read(CLOCK_SOURCE, 256, &text, &len) < 0) {
                printf("clock: the kernel does not say which it uses\n");
                return 0;
        }
        text[strcspn(text, "\n")] = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                if (text_has_prefix(text, good[i])) {
                        printf("clock: %s, a good one\n", text);
                        return 0;
                }
        for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
                if (strcmp(text, slow[i]) == 0) {
                        printf("clock: %s, right but slow to read; where the processor has a TSC, the kernel "
                               "found that unreliable (see dmesg)\n",
                                text);
                        return 0;
                }
        if (strstr(text, "jiffies")) {
                check_host_problem(
                        "clock: %s is too coarse; let the kernel use tsc or that of the hypervisor", text);
                return 1;
        }
        printf("clock: %s, not known here\n", text);
        return 0;
}

/* --- containment -------------------------------------------------------------------------------- */

static const char *why_no_cgroup(int error)
{
        switch (-error) {
        case ENOENT:
                return "there is no cgroup version 2 hierarchy";
        case EACCES:
                return "no control group is delegated to us (Delegate=yes in a unit file of systemd)";
        case EOPNOTSUPP:
                return "the kernel has no cgroup.kill (Linux 5.14)";
        default:
                return strerror(-error);
        }
}

unsigned check_host_contain(const Config *config)
{
        CLEANUP_STRING path = NULL;
        int r = cgroup_find_own(&path);
        unsigned n = 0;

        if (r == 0)
                printf("containment: control groups below %s\n", path);
        else
                printf("containment: by adoption, no control groups: %s. For the service that may be "
                       "another, this is how it is here\n",
                        why_no_cgroup(r));
        for (size_t i = 0; r < 0 && i < config->n_units; i++) {
                const ConfigUnit *unit = config->units[i];

                if (unit->contain != CONTAIN_CGROUP)
                        continue;
                check_host_problem(
                        "%s:%u: unit '%s' wants contain = cgroup, which is not to be had here; write auto",
                        unit->file, unit->line, unit->name);
                n++;
        }
        return n;
}

/* --- the servers -------------------------------------------------------------------------------- */

static struct addrinfo *resolve(const Host *host)
{
        const struct addrinfo hints = {
                .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
        struct addrinfo *found = NULL;
        char port[8];

        snprintf(port, sizeof(port), "%u", host->port);
        return getaddrinfo(host->name, port, &hints, &found) == 0 ? found : NULL;
}

/* A line "tickTime=2000" of the answer to "conf". */
static uint64_t tick_of(const char *answer)
{
        const char *line = strstr(answer, "tickTime=");
        CLEANUP_STRING number = line ? strndup(line + 9, strspn(line + 9, "0123456789")) : NULL;
        uint64_t msec;

        return number && text_to_u64(number, 1, 3600 * 1000, &msec) == 0 ? msec * USEC_PER_MSEC : 0;
}

/* Of the first server that tells. */
static uint64_t learn_tick(const Hosts *hosts, uint64_t timeout_usec)
{
        struct addrinfo *addresses[HOSTS_MAX];
        FourLetter asked[HOSTS_MAX];
        uint64_t tick_usec = 0;

        for (size_t i = 0; i < hosts->n; i++) {
                addresses[i] = resolve(&hosts->items[i]);
                asked[i] = (FourLetter){.address = addresses[i]};
        }
        if (four_letter_ask(asked, hosts->n, "conf", timeout_usec) == 0)
                for (size_t i = 0; i < hosts->n; i++) {
                        if (asked[i].result == 0 && asked[i].answer.data && !tick_usec)
                                tick_usec = tick_of(asked[i].answer.data);
                        four_letter_deinit(&asked[i]);
                }
        for (size_t i = 0; i < hosts->n; i++)
                if (addresses[i])
                        freeaddrinfo(addresses[i]);
        return tick_usec;
}

unsigned check_host_servers(const Hosts *hosts, uint64_t timeout_usec, uint64_t *tick_usec)
{
        CLEANUP(health_deinit) Health health = {0};
        unsigned n = 0;

        *tick_usec = 0;
        if (health_ask(&health, hosts, timeout_usec) < 0) {
                check_host_problem("out of memory");
                return 1;
        }
        for (size_t i = 0; i < health.n; i++) {
                const HealthServer *s = &health.servers[i];

                if (s->problem[0] && s->srvr.mode == SRVR_NOT_ALLOWED && s->srvr.version[0] == '\0') {
                        printf("server %s: %s\n", s->name, s->problem);
                } else if (s->problem[0]) {
                        check_host_problem("server %s: %s", s->name, s->problem);
                        n++;
                } else {
                        printf("server %s: ZooKeeper %s, %s\n", s->name, s->srvr.version,
                                srvr_mode_to_string(s->srvr.mode));
                }
        }
        if (health.serving)
                *tick_usec = learn_tick(hosts, timeout_usec);
        return n;
}
