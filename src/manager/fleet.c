#include "manager/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/log.h"
#include "util/signal-name.h"

struct Fleet {
        Manager *manager;
        PlanContext context;
        ListLink units;
        size_t n_units;
        sd_event_source *look;
        Saved *saved; /* while what it says is being restored */
        size_t hint;  /* where to look first */
};

#define for_each_unit(u, fleet)                                                                              \
        list_for_each(u##_link, &(fleet)->units)                                                             \
                for (FleetUnit *u = list_entry(u##_link, FleetUnit, link); u; u = NULL)

/* --- one unit ----------------------------------------------------------------------------------- */

static char *join(char *const *words)
{
        TextBuffer text = {0};

        for (size_t i = 0; words && words[i]; i++)
                text_buffer_printf(&text, "%s%s", i ? " " : "", words[i]);
        return text_buffer_take(&text);
}

static void unmake(FleetUnit *u)
{
        if (u->unit)
                manager_remove(u->fleet->manager, u->unit);
        u->unit = NULL;
        plan_deinit(&u->plan);
        u->made = config_unit_unref(u->made);
        free(u->command);
        u->command = NULL;
        u->told_up = false;
}

/* Goes into the section of this unit, if there is one. */
static bool go_in(Fleet *fleet, const char *name)
{
        size_t n = fleet->saved ? saved_get_number(fleet->saved, "units", 0) : 0;

        for (size_t i = 0; i < n; i++) {
                size_t at = (fleet->hint + i) % n;
                const char *title;

                saved_go_in(fleet->saved, "unit", at);
                title = saved_get(fleet->saved, "title");
                if (title && strcmp(title, name) == 0) {
                        fleet->hint = at + 1;
                        return true;
                }
                saved_go_out(fleet->saved);
        }
        return false;
}

/* Of what could not go on; by name, as a reload may have come between. */
static void on_gone(void *userdata, const char *name)
{
        FleetUnit *u = fleet_find(userdata, name);

        if (!u || !u->unit || !u->wanted || u->told_up || u->leaving || u->rebuild || manager_is_ending(u->fleet->manager))
                return;
        u->told_up = true;
        unit_up(u->unit);
}

/* Makes the unit, or has it go on where another program has left it. */
static int add_unit(FleetUnit *u)
{
        Fleet *fleet = u->fleet;
        int r;

        if (!go_in(fleet, u->settings->name))
                return manager_add(fleet->manager, &u->plan.unit, u, u->wanted, &u->unit);
        u->wanted = saved_get_flag(fleet->saved, "wanted");
        u->told_up = saved_get_flag(fleet->saved, "told-up");
        r = manager_restore(fleet->manager, &u->plan.unit, u, fleet->saved, on_gone, fleet, &u->unit);
        saved_go_out(fleet->saved);
        if (r == 0)
                return 0;
        log_unit_error(u->settings->name,
                "cannot go on where the program before us was (%s): what runs is being stopped, and then begun anew",
                strerror(-r));
        u->told_up = false;
        return manager_add(fleet->manager, &u->plan.unit, u, false, &u->unit);
}

static void make(FleetUnit *u)
{
        Fleet *fleet = u->fleet;
        char problem[300] = "out of memory";
        int r;

        u->rebuild = false;
        u->made = config_unit_ref(u->settings);
        r = plan_init(&u->plan, &fleet->context, u->settings, problem, sizeof(problem));
        if (r == 0) {
                u->command = join(u->plan.unit.argv);
                u->told_up = u->wanted;
                r = add_unit(u);
                if (r < 0)
                        snprintf(problem, sizeof(problem), "%s", strerror(-r));
        }
        if (r < 0) {
                log_error("%s: cannot be set up: %s", u->settings->name, problem);
                u->unit = NULL;
                u->told_up = false;
        }
}

static FleetUnit *add(Fleet *fleet, ConfigUnit *settings)
{
        FleetUnit *u = calloc(1, sizeof(*u));

        if (!u) {
                log_error("%s: cannot be set up: out of memory", settings->name);
                return NULL;
        }
        u->fleet = fleet;
        u->settings = config_unit_ref(settings);
        u->wanted = !settings->manual;
        list_append(&fleet->units, &u->link);
        fleet->n_units++;
        make(u);
        return u;
}

static void drop(FleetUnit *u)
{
        unmake(u);
        config_unit_unref(u->settings);
        list_unlink(&u->link);
        u->fleet->n_units--;
        free(u);
}

static void tell_down(FleetUnit *u)
{
        bool told = u->told_up;

        u->told_up = false;
        if (told && u->unit && !manager_hold_back(u->fleet->manager, u->unit))
                unit_down(u->unit, 0);
}

/* --- what waits for a rest ---------------------------------------------------------------------- */

static int on_look(sd_event_source *source, void *userdata)
{
        Fleet *fleet = userdata;

        list_for_each_safe(link, &fleet->units)
        {
                FleetUnit *u = list_entry(link, FleetUnit, link);

                if ((!u->leaving && !u->rebuild) || (u->unit && !unit_leaves_nothing(u->unit)))
                        continue;
                if (u->leaving) {
                        drop(u);
                } else if (!manager_is_ending(fleet->manager)) {
                        unmake(u);
                        make(u);
                }
        }
        return 0;
}

void fleet_look(Fleet *fleet)
{
        (void)sd_event_source_set_enabled(fleet->look, SD_EVENT_ONESHOT);
}

/* --- life --------------------------------------------------------------------------------------- */

int fleet_new(Fleet **out, Manager *manager, const PlanContext *context)
{
        CLEANUP(fleet_free) Fleet *fleet = calloc(1, sizeof(*fleet));
        int r;

        if (!fleet)
                return -ENOMEM;
        fleet->manager = manager;
        fleet->context = *context;
        list_init(&fleet->units);
        r = sd_event_add_defer(manager_event(manager), &fleet->look, on_look, fleet);
        if (r >= 0)
                r = sd_event_source_set_enabled(fleet->look, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *out = TAKE(fleet);
        return 0;
}

Fleet *fleet_free(Fleet *fleet)
{
        if (!fleet)
                return NULL;
        list_for_each_safe(link, &fleet->units)
                drop(list_entry(link, FleetUnit, link));
        sd_event_source_disable_unref(fleet->look);
        free(fleet);
        return NULL;
}

FleetUnit *fleet_find(Fleet *fleet, const char *name)
{
        for_each_unit(u, fleet)
                if (strcmp(u->settings->name, name) == 0)
                        return u;
        return NULL;
}

size_t fleet_size(const Fleet *fleet)
{
        return fleet->n_units;
}

ListLink *fleet_units(Fleet *fleet)
{
        return &fleet->units;
}

/* --- another configuration ---------------------------------------------------------------------- */

static void change(FleetUnit *u, ConfigUnit *settings, TextBuffer *summary)
{
        CLEANUP(text_buffer_deinit) TextBuffer which = {0};
        enum ConfigChange kind = config_unit_compare(u->settings, settings, &which);

        if (u->leaving) { /* it comes back before it has gone */
                u->leaving = false;
                u->rebuild = true;
                text_buffer_printf(summary, "%s: added\n", settings->name);
        } else if (kind == CONFIG_LIVE && !u->rebuild && u->unit) {
                UnitPolicy policy = settings->policy;

                policy.await_ready = u->plan.unit.policy.await_ready;
                policy.release_after_run = u->plan.unit.policy.release_after_run;
                if (settings->cron) {
                        policy.restart = u->plan.unit.policy.restart;
                        policy.reacquire = u->plan.unit.policy.reacquire;
                }
                unit_set_policy(u->unit, &policy);
                text_buffer_printf(summary, "%s: changed while it runs: %s\n", settings->name, which.data ?: "");
        } else if (!u->unit && kind == CONFIG_SAME) {
                u->rebuild = true;
                text_buffer_printf(summary, "%s: tried again\n", settings->name);
        } else if (kind != CONFIG_SAME) {
                u->rebuild = true;
                text_buffer_printf(summary, "%s: %s: %s\n", settings->name, u->wanted ? "restarted" : "changed",
                        which.data ?: "");
                tell_down(u);
        }
        config_unit_unref(u->settings);
        u->settings = config_unit_ref(settings);
}

void fleet_apply(Fleet *fleet, const Config *config, TextBuffer *summary)
{
        for_each_unit(u, fleet) {
                if (u->leaving || config_find(config, u->settings->name))
                        continue;
                u->leaving = true;
                text_buffer_printf(summary, "%s: removed\n", u->settings->name);
                tell_down(u);
        }
        for (size_t i = 0; i < config->n_units; i++) {
                ConfigUnit *settings = config->units[i];
                FleetUnit *u = fleet_find(fleet, settings->name);

                if (u) {
                        change(u, settings, summary);
                        list_unlink(&u->link); /* in the order of the file */
                        list_append(&fleet->units, &u->link);
                } else if (add(fleet, settings)) {
                        text_buffer_printf(summary, "%s: added\n", settings->name);
                }
        }
        fleet_look(fleet);
}

/* --- another program in our place --------------------------------------------------------------- */

void fleet_restore(Fleet *fleet, const Config *config, Saved *saved, TextBuffer *summary)
{
        fleet->saved = saved;
        fleet_apply(fleet, config, summary);
        fleet->saved = NULL;
}

static bool save_unit(const FleetUnit *u, SavedWriter *w, char *obstacle, size_t size)
{
        SnapshotUnit snapshot = {0};

        if (u->leaving || u->rebuild) {
                snprintf(obstacle, size, "unit '%s' is being changed by a reload", u->settings->name);
                return false;
        }
        saved_put(w, "title", u->settings->name);
        saved_put_flag(w, "wanted", u->wanted);
        saved_put_flag(w, "told-up", u->told_up);
        if (!u->unit || unit_save(u->unit, w))
                return true;
        unit_snapshot(u->unit, &snapshot);
        snprintf(obstacle, size, "unit '%s' is on its way: %s", u->settings->name, snapshot.state);
        return false;
}

bool fleet_save(Fleet *fleet, SavedWriter *w, char *obstacle, size_t size)
{
        size_t n = 0;

        for_each_unit(u, fleet) {
                bool saved;

                saved_enter(w, "unit", n++);
                saved = save_unit(u, w, obstacle, size);
                saved_leave(w);
                if (!saved)
                        return false;
        }
        saved_put_number(w, "units", n);
        return true;
}

bool fleet_is_of(Fleet *fleet, const Config *config)
{
        if (config->n_units != fleet->n_units)
                return false;
        for_each_unit(u, fleet) {
                const ConfigUnit *settings = config_find(config, u->settings->name);
                CLEANUP(text_buffer_deinit) TextBuffer which = {0};

                if (!settings || config_unit_compare(u->settings, settings, &which) != CONFIG_SAME)
                        return false;
        }
        return true;
}

/* --- an administrator --------------------------------------------------------------------------- */

static int need_unit(const FleetUnit *u, char *problem, size_t problem_size)
{
        if (u->unit)
                return 0;
        snprintf(problem, problem_size, "unit '%s' could not be set up; see the log, mend its settings and reload",
                u->settings->name);
        return -ENXIO;
}

int fleet_start(FleetUnit *u, char *problem, size_t problem_size)
{
        int r = u->rebuild ? 0 : need_unit(u, problem, problem_size);

        if (r < 0)
                return r;
        if (u->leaving) {
                snprintf(problem, problem_size, "unit '%s' is being removed", u->settings->name);
                return -EBUSY;
        }
        u->wanted = true;
        if (u->rebuild || (u->told_up && !unit_is_at_rest(u->unit)))
                return 0; /* it will, or does */
        u->told_up = true;
        unit_up(u->unit);
        return 0;
}

int fleet_stop(FleetUnit *u, char *problem, size_t problem_size)
{
        u->wanted = false;
        tell_down(u);
        return 0;
}

int fleet_restart(FleetUnit *u, char *problem, size_t problem_size)
{
        bool runs = u->unit && u->told_up && !unit_is_at_rest(u->unit);

        if (!runs || u->rebuild)
                return fleet_start(u, problem, problem_size);
        unit_restart(u->unit);
        return 0;
}

int fleet_signal(FleetUnit *u, int signal, char *problem, size_t problem_size)
{
        int r = need_unit(u, problem, problem_size);
        SnapshotUnit snapshot = {0};
        char name[SIGNAL_NAME_MAX];

        if (r < 0)
                return r;
        unit_snapshot(u->unit, &snapshot);
        if (snapshot.pid <= 0) {
                snprintf(problem, problem_size, "unit '%s' runs nothing that could get %s: it is %s", u->settings->name,
                        signal_to_string(signal, name), snapshot.state);
                return -EBUSY;
        }
        unit_signal(u->unit, signal);
        return 0;
}

int fleet_step_down(FleetUnit *u, char *problem, size_t problem_size)
{
        int r = need_unit(u, problem, problem_size);

        if (r < 0)
                return r;
        r = unit_step_down(u->unit);
        if (r == -ENOENT)
                snprintf(problem, problem_size, "unit '%s' holds nothing: it has no gate", u->settings->name);
        else if (r < 0)
                snprintf(problem, problem_size, "unit '%s' holds nothing now", u->settings->name);
        return r == -ENOENT ? -EOPNOTSUPP : r;
}
