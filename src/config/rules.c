#include "config/rules.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "util/clock.h"

#define HOUR_USEC (3600 * USEC_PER_SEC)

static bool PRINTF_LIKE(3, 4) fail(RuleBroken *broken, const char *setting, const char *fmt, ...)
{
        va_list ap;

        broken->setting = setting;
        va_start(ap, fmt);
        vsnprintf(broken->text, sizeof(broken->text), fmt, ap);
        va_end(ap);
        return false;
}

bool rules_sequence(const char *dashes, uint64_t first, uint64_t max, uint64_t prefer, RuleBroken *broken)
{
        if (max < first)
                return fail(broken, "max", "%smax %" PRIu64 " is below %sfirst %" PRIu64, dashes, max, dashes,
                        first);
        if (prefer != CONFIG_NO_PREFER && (prefer < first || prefer > max))
                return fail(broken, "prefer", "%sprefer %" PRIu64 " is not between %sfirst and %smax", dashes,
                        prefer, dashes, dashes);
        return true;
}

bool rules_hook_timeout(const char *dashes, uint64_t usec, RuleBroken *broken)
{
        if (usec < USEC_PER_MSEC || usec > HOUR_USEC)
                return fail(broken, "hook-timeout", "%shook-timeout must be from 1ms to 1h", dashes);
        return true;
}

bool rules_lock_kind(const char *dashes, bool shared, bool exclusive, uint64_t slots, RuleBroken *broken)
{
        if (shared + exclusive + (slots > 0) > 1)
                return fail(broken, shared ? "shared" : "exclusive",
                        "only one of %sshared, %sexclusive and %sslots", dashes, dashes, dashes);
        return true;
}

bool rules_wait(const char *dashes, uint64_t wait_usec, bool no_wait, RuleBroken *broken)
{
        if (no_wait && wait_usec != USEC_INFINITY)
                return fail(broken, "no-wait", "only one of %swait and %sno-wait", dashes, dashes);
        return true;
}

bool rules_hold_min(const char *dashes, uint64_t usec, RuleBroken *broken)
{
        if (usec > 24 * HOUR_USEC)
                return fail(broken, "hold-min", "%shold-min must be at most 24h", dashes);
        return true;
}

bool rules_jitter(const char *dashes, const CronSchedule *schedule, uint64_t usec, RuleBroken *broken)
{
        if (schedule->every && usec >= (uint64_t)schedule->every * USEC_PER_SEC)
                return fail(
                        broken, "jitter", "%sjitter must be shorter than the time between two ticks", dashes);
        if (usec > 24 * HOUR_USEC)
                return fail(broken, "jitter", "%sjitter must be at most 24h", dashes);
        return true;
}

bool rules_timeout(const char *dashes, uint64_t usec, RuleBroken *broken)
{
        if (usec == 0)
                return fail(broken, "timeout", "%stimeout must be longer than 0", dashes);
        return true;
}

bool rules_session_timeout(const char *dashes, uint64_t usec, RuleBroken *broken)
{
        if (usec < 500 * USEC_PER_MSEC || usec > HOUR_USEC)
                return fail(broken, "session-timeout", "%ssession-timeout must be from 500ms to 1h", dashes);
        return true;
}

bool rules_grace(const char *dashes, uint64_t usec, RuleBroken *broken)
{
        if (usec < USEC_PER_MSEC || usec > HOUR_USEC)
                return fail(broken, "grace", "%sgrace must be from 1ms to 1h", dashes);
        return true;
}
