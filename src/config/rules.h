/* What must fit together among the settings of a unit, on the command line as in a file: there the names begin
 * with two dashes, here they do not. Each returns whether its rule is kept; if not, what is wrong and with which
 * setting is in BROKEN. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "config/config.h"

typedef struct RuleBroken {
        const char *setting; /* without dashes */
        char text[200];
} RuleBroken;

#define RULES_DASHES "--"
#define RULES_PLAIN ""

/* PREFER: CONFIG_NO_PREFER if there is none. */
bool rules_sequence(const char *dashes, uint64_t first, uint64_t max, uint64_t prefer, RuleBroken *broken);
bool rules_hook_timeout(const char *dashes, uint64_t usec, RuleBroken *broken);
/* SLOTS: 0 if not given. */
bool rules_lock_kind(const char *dashes, bool shared, bool exclusive, uint64_t slots, RuleBroken *broken);
/* WAIT_USEC: USEC_INFINITY if not given. */
bool rules_wait(const char *dashes, uint64_t wait_usec, bool no_wait, RuleBroken *broken);
bool rules_hold_min(const char *dashes, uint64_t usec, RuleBroken *broken);
bool rules_jitter(const char *dashes, const CronSchedule *schedule, uint64_t usec, RuleBroken *broken);
bool rules_timeout(const char *dashes, uint64_t usec, RuleBroken *broken);
bool rules_session_timeout(const char *dashes, uint64_t usec, RuleBroken *broken);
bool rules_grace(const char *dashes, uint64_t usec, RuleBroken *broken);
