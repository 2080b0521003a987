/* The units of a configuration: made from their settings, told what to do by an administrator, and changed by a reload,
 * which compares by title.
 *
 * Invariants: a unit that a reload leaves alone is not touched at all; one that has to be made anew is freed only once it is at
 * rest and the ensemble has said that none of its znodes is left, and its successor is made after that, so that the two never hold anything beside each other; whether a unit
 * is wanted up is an administrator's decision that a reload keeps. */
#pragma once

#include "config/config.h"
#include "manager/manager.h"
#include "manager/plan.h"
#include "util/list.h"

typedef struct Fleet Fleet;

typedef struct FleetUnit {
        ListLink link;
        Fleet *fleet;
        ConfigUnit *settings; /* the newest */
        ConfigUnit *made;     /* those that the unit was made from, and points into */
        Plan plan;
        Unit *unit;   /* NULL: could not be made */
        bool wanted;  /* an administrator wants it up */
        bool told_up; /* so was the unit */
        bool leaving; /* not in the file any more */
        bool rebuild; /* to be made anew from the settings */
        char *command; /* in one line, for people */
} FleetUnit;

/* MANAGER must outlive it; CONTEXT is copied, what it points to must stay. Returns 0 or a negative errno. */
int fleet_new(Fleet **out, Manager *manager, const PlanContext *context);
Fleet *fleet_free(Fleet *fleet);
CLEANUP_DEFINE(Fleet, fleet_free);

/* Makes the units be those of CONFIG. What changes is said in SUMMARY, a line each: "web: restarted: command, pool". A unit
 * that cannot be made is said in the log, and the others go on. */
void fleet_apply(Fleet *fleet, const Config *config, TextBuffer *summary);
/* The same for the first time; with SAVED (or NULL) by fleet_save(), in the program that we have taken the place of: what was at
 * work then goes on. What cannot is begun anew, once nothing of it is left. */
void fleet_restore(Fleet *fleet, const Config *config, Saved *saved, TextBuffer *summary);
/* Returns false, with what is in the way in OBSTACLE. */
bool fleet_save(Fleet *fleet, SavedWriter *writer, char *obstacle, size_t size);
/* Whether CONFIG says what runs. */
bool fleet_is_of(Fleet *fleet, const Config *config);
FleetUnit *fleet_find(Fleet *fleet, const char *name);
size_t fleet_size(const Fleet *fleet);
ListLink *fleet_units(Fleet *fleet);

/* What an administrator asks for. Returns 0, or a negative errno with a sentence in PROBLEM. */
int fleet_start(FleetUnit *unit, char *problem, size_t problem_size);
int fleet_stop(FleetUnit *unit, char *problem, size_t problem_size);
int fleet_restart(FleetUnit *unit, char *problem, size_t problem_size);
int fleet_signal(FleetUnit *unit, int signal, char *problem, size_t problem_size);
int fleet_step_down(FleetUnit *unit, char *problem, size_t problem_size);

/* To be called when a unit has finished or changed: what waits for that is done soon. */
void fleet_look(Fleet *fleet);
