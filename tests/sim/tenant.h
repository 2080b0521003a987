/* Whoever wants one thing by a recipe of recipe/recipe.h: a lock, a leadership, a slot. Drives the
 * machine through its table, as the gate of a unit does, and besides does what gates may do: it gives
 * up while it waits, asks again before the release is through, and after a loss either lets the
 * machine ask again by itself or releases first. */
#pragma once

#include "recipe/recipe.h"
#include "sim/heart.h"

enum TenantKind {
        TENANT_LOCK,      /* exclusive */
        TENANT_READWRITE, /* readers and writers, drawn at each start of a supervisor */
        TENANT_ELECTION,
        TENANT_SEMAPHORE,
};

typedef struct TenantPlan {
        enum TenantKind kind;
        unsigned n_pools;    /* each host wants one of each; see holder.h */
        unsigned slots;      /* of a semaphore */
        bool has_priorities; /* the host's number is its priority */
        bool preempts;
        unsigned *give_up_percent; /* whoever waits too long; may change */
        bool is_fair;              /* nothing breaks: who came first is served first */
} TenantPlan;

/* Gives HOST, which boots, the actors for PLAN. They live in the memory of the simulation. */
void tenant_spawn(Host *host, const TenantPlan *plan);
