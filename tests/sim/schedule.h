/* One schedule: an ensemble, some hosts that want the same thing, faults for a while, then a healing
 * after which everybody must be served; and the oracle over it all. Random schedules are drawn from
 * their seed alone. */
#pragma once

#include "sim/ensemble.h"
#include "sim/holder.h"
#include "sim/naive.h"
#include "sim/tenant.h"

#define SCHEDULE_HOSTS 4

/* What a schedule is run for. A mutant shall break a promise of safety. */
typedef struct Subject {
        bool is_naive; /* else the real machines, with claim_mutant as it is */
        enum NaiveLease naive;
        bool is_tenant; /* one of the recipes with a hold; else the sequence */
        enum TenantKind tenant;
        bool reexecs; /* now and then another program takes the place of a supervisor */
        bool is_fair; /* nothing breaks, and who came first is served first */
        bool uses_monotonic; /* the mutant of the clock */
        bool releases_early; /* the mutant that takes the stop signal for the death of the tree */
} Subject;

typedef struct World {
        Simulation simulation; /* kept from one schedule to the next, for its memory */
        Ensemble ensemble;
        Oracle oracle;
        Host hosts[SCHEDULE_HOSTS];
        unsigned n_hosts;
        Subject subject;
        HolderPlan plan;
        TenantPlan tenants;
        unsigned give_up_percent;
        bool is_healed;
        uint64_t n_faults;
        uint64_t n_reexecs; /* since world_init() */
        uint64_t heal_usec; /* from the healing until everybody was served */
} World;

/* A new world of N_SERVERS and N_HOSTS, everybody up and running, nothing broken. TIMEOUT_USEC is T;
 * the tick is TICK_USEC. */
void world_init(World *world, uint64_t seed, const Subject *subject, unsigned n_servers, unsigned n_hosts,
        uint64_t tick_usec, const HostPlan *plan, uint64_t max_number);
void world_boot(World *world);
/* Frees what the machines own; the simulation's memory stays. */
void world_clear(World *world);
void world_deinit(World *world);

/* Heals everything and runs until every host has been served since, or too long. Returns false when
 * a promise is broken. */
bool world_heal(World *world);

/* One random schedule from SEED. Returns false when a promise is broken; then
 * world->simulation.violation says which. */
bool schedule_run(World *world, uint64_t seed, const Subject *subject);
/* Runs SEED once more with the transcript on and prints it to stderr. */
void schedule_explain(World *world, uint64_t seed, const Subject *subject);
