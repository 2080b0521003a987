/* A live upgrade: another program takes our place by exec, in the same process and the same session. Guards, commands and
 * holds go on; no znode is touched.
 *
 *   WAIT (for a quiet moment) -> CHECK (the new program reads the state and says that it can go on) -> WAIT -> exec
 *
 * The state is a text (util/saved.h) in a memfd that is sealed, its number in $ZKSUP_STATE_FD. Up to the exec nothing has
 * changed: whatever fails before leaves everything as it was, and says why. The descriptors of the connection are
 * closed by the exec itself, so the session is left without a word, and taken up again by its id and password.
 *
 * The lease is not renewed meanwhile. That is a matter of milliseconds, and if it were not, the guards have the deadlines. */
#pragma once

#include <systemd/sd-event.h>
#include "unit/reaper.h"
#include "util/saved.h"

#define REEXEC_STATE_FD "ZKSUP_STATE_FD"
#define REEXEC_CHECK_OPTION "can-restore"
/* What the new program prints after that option, if it can. */
#define REEXEC_YES "zksup-state 1: can be restored"

typedef struct Reexec Reexec;

typedef struct ReexecOps {
        /* Says everything; false if that cannot be now, with what is in the way in OBSTACLE. */
        bool (*save)(void *userdata, SavedWriter *writer, char *obstacle, size_t size);
        /* Right before the exec, and after one that failed. */
        void (*leave)(void *userdata);
        void (*stay)(void *userdata);
        /* It has come to nothing; everything goes on as before. The Reexec can be freed, not from inside. */
        void (*failed)(void *userdata, const char *why);
} ReexecOps;

/* OPS and what they need must stay. The rest happens on the loop. Returns 0 or a negative errno. */
int reexec_new(Reexec **out, sd_event *event, Reaper *reaper, const ReexecOps *ops, void *userdata);
Reexec *reexec_free(Reexec *reexec);
CLEANUP_DEFINE(Reexec, reexec_free);
/* Whether it is on; else it has failed. */
bool reexec_is_on(const Reexec *reexec);

/* In the new program: what the one before has left, found by the environment, from which it is taken. Returns 1 if there is
 * something, 0 if not, or a negative errno with a sentence in PROBLEM. */
int reexec_read_environment(Saved *saved, char *problem, size_t size);
/* The same from FD, which is left open. */
int reexec_read(Saved *saved, int fd, char *problem, size_t size);

/* The signals that the first program of all was started with. */
void reexec_save_signals(SavedWriter *writer, const sigset_t *blocked, const sigset_t *ignored);
void reexec_restore_signals(const Saved *saved, sigset_t *blocked, sigset_t *ignored);
