/* Settings: how a command runs besides being run, in numbers: what the supervisor has made of the unit's
 * configuration. They arrive as options of the guard and are applied in the child between fork and exec.
 * What is not given stays as zksup itself was started.
 *
 * What needs privilege comes before the change of user: limits are raised there, and set to what was asked for
 * at the very end, when nothing of ours can run into them. There is no way back from the change: all three
 * ids are changed and looked at, and whoever is not root afterwards has no capability left. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "guard/wire.h"

#define SETTINGS_LIMITS_MAX 17 /* every resource there is, and one to spare */

typedef struct SettingsLimit {
        unsigned resource;
        uint64_t soft, hard;
} SettingsLimit;

typedef struct Settings {
        const char *directory; /* NULL: ours; a relative one starts there */
        const char *groups;    /* "N,N"; NULL: ours */
        const char *oom_adj;   /* NULL: ours */
        bool has_uid, has_gid, has_umask, has_nice;
        uint32_t uid, gid, umask;
        int nice;
        SettingsLimit limits[SETTINGS_LIMITS_MAX];
        unsigned n_limits;
} Settings;

enum SettingsParse { SETTINGS_OK, SETTINGS_BAD, SETTINGS_UNKNOWN };

void settings_init(Settings *settings);
/* One option of the guard, "--uid" and its value, say. VALUE must stay. */
enum SettingsParse settings_parse(Settings *settings, const char *name, const char *value);

/* What could not be done. */
typedef struct SettingsError {
        enum WireStage stage;
        int error; /* positive */
        unsigned which;
} SettingsError;

/* The three steps, in the child; each returns false with *error. PR_SET_PDEATHSIG belongs between the first,
 * which would clear it, and the second.
 * OWN_NICE and OWN_OOM_ADJ are what the guard has changed for itself; OWN_OOM_ADJ "": nothing. */
bool settings_apply(const Settings *settings, int own_nice, const char *own_oom_adj, SettingsError *error);
/* With the rights of the user. */
bool settings_enter_directory(const Settings *settings, SettingsError *error);
bool settings_limit(const Settings *settings, SettingsError *error);
