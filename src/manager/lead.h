/* What goes with a leadership besides the command itself: a standby command while others lead, and
 * the hooks on-won and on-lost. The unit asks for each at its place, and goes on when it is told:
 *
 *   following      the standby runs (a unit of its own, without a lease, restarted always)
 *   leader won     lead_prepare(): the standby is stopped; once it is proved dead, on-won runs under the
 *                  lease; then PREPARED, and only then the command may start. FAILED: a failed start
 *   command dead   lead_conclude(): on-lost runs, without a lease; then CONCLUDED, and only then the
 *                  leadership is given back, if it is still held, and the standby may start again
 *
 * Invariants: the standby, on-won, the command and on-lost never run at the same time; on-lost runs
 * once for every leadership for which on-won was begun, or the command if there is no on-won; nothing
 * is told from inside lead_new(). An on-won that failed is run again with the next try to start. */
#pragma once

#include "manager/unit.h"

typedef struct Lead Lead;

struct LeadConfig {
        const char *lock;         /* ZK_LOCK */
        char *const *standby;     /* NULL: none */
        char *const *on_won, *const *on_lost;
        uint64_t hook_timeout_usec;
};

enum LeadEventKind {
        LEAD_PREPARED,
        LEAD_FAILED,    /* not prepared; nothing of on-won is left */
        LEAD_LEASE_LOW, /* the guard of on-won is stopping it. FAILED follows */
        LEAD_CONCLUDED,
        LEAD_IDLE, /* nothing of it runs any more */
};

typedef void (*LeadHandler)(void *userdata, enum LeadEventKind kind);

/* UNIT is that of the leader; what it points to must stay. Returns 0 or a negative errno. */
int lead_new(Lead **out, const UnitContext *context, const UnitConfig *unit, LeadHandler handler, void *userdata);
Lead *lead_free(Lead *lead);
CLEANUP_DEFINE(Lead, lead_free);

/* As unit_save() and unit_restore(); not while anything but the standby runs. */
size_t lead_guards(const Lead *lead);
bool lead_save(const Lead *lead, SavedWriter *writer);
int lead_restore(Lead *lead, Saved *saved);

void lead_set_timing(Lead *lead, const Timing *timing);
void lead_on_session(Lead *lead, const Event *event);

/* Before the command may start. Returns whether PREPARED or FAILED is to be waited for; else it may start. */
bool lead_prepare(Lead *lead, int64_t token, uint64_t deadline_usec);
void lead_set_deadline(Lead *lead, uint64_t deadline_usec);
/* The leadership is lost, and whoever runs for it is told so when it asks. */
void lead_disown(Lead *lead);
bool lead_is_preparing(const Lead *lead);
/* Stop preparing: FAILED follows, perhaps at once. */
void lead_cancel(Lead *lead, bool kill);

/* After the command is dead and its hold lost or to be given back. Returns whether CONCLUDED is to be
 * waited for. */
bool lead_conclude(Lead *lead);
bool lead_is_concluding(const Lead *lead);

/* Whether the standby should run, whenever nothing else does. One that has given up is started again
 * when this turns true the next time. */
void lead_follow(Lead *lead, bool follow);
/* SIGKILL to standby and on-lost. */
void lead_kill(Lead *lead);
bool lead_is_idle(const Lead *lead);
/* To the standby; returns whether it runs. */
bool lead_signal(Lead *lead, int signal);
