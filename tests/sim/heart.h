/* The heart of a supervisor: one lease that renews all holds of its session, an actor of its own. It
 * tells the actors whose claims it keeps that they are extended or lost. */
#pragma once

#include "recipe/lease.h"
#include "sim/host.h"

#define HEART_CLAIMS 4

typedef struct Heart Heart;

/* In the memory of the simulation. The first actor of HOST, which boots: it hears of an event first. */
Heart *heart_spawn(Host *host);
/* ACTOR may come to hold CLAIM. ON_LOST (or NULL) hears of the loss before the actor does. */
void heart_know(Heart *heart, Actor *actor, Claim *claim, void (*on_lost)(Actor *actor, uint64_t now_usec));

/* As manager/heart.c does it. */
void heart_add(Heart *heart, Claim *claim, uint64_t now_usec);
void heart_remove(Heart *heart, Claim *claim);
/* The claim of ACTOR is another one from now on; if it is held, it is renewed. */
void heart_replace(Heart *heart, const Actor *actor, Claim *claim, uint64_t now_usec);
/* The numbers for a session that was granted TIMEOUT_USEC. */
Timing heart_timing(const Host *host, uint64_t timeout_usec);
