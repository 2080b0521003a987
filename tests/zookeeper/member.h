/* One that takes part in a recipe on real servers: a session of its own, its lease, and a machine of any
 * type. There is no tree: whatever is lost is dead at once, and who is asked to yield does. Many members
 * share one loop. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client/client.h"
#include "recipe/lease.h"
#include "recipe/recipe.h"
#include "util/clock.h"

typedef struct Member {
        Client *client;
        Lease lease;
        const RecipeType *recipe;
        void *machine;
        bool held, waiting, released, closed;
        unsigned n_held, n_lost, n_yielded;
        unsigned requests; /* of the machine: renewals are not among them */
        int64_t token;
        uint64_t number, held_usec;
        char text[240];
} Member;

/* Connects and asks. MACHINE belongs to MEMBER from now on. */
void member_init(Member *member, sd_event *event, const char *connect, uint64_t timeout_usec, const RecipeType *recipe,
        void *machine);
/* Without a word: as if the process had been killed. Nothing, if there is no member any more. */
void member_kill(Member *member);
void member_release(Member *member);
/* Asks once more, after a release. */
void member_start(Member *member);

/* One round of the loop and of the timers of N members. */
void members_run(sd_event *event, Member *members, size_t n);
/* Runs the loop for N members until CONDITION, or fails the test after USEC (scaled). */
#define members_wait(event, members, n, condition, usec)                                                     \
        do {                                                                                                 \
                uint64_t until_ = clock_boottime_usec() + scaled(usec);                                      \
                while (!(condition)) {                                                                       \
                        if (clock_boottime_usec() > until_)                                                  \
                                fail_msg("not within %llu ms: %s", (unsigned long long)(usec) / 1000,        \
                                        #condition);                                                         \
                        members_run(event, members, n);                                                      \
                }                                                                                            \
        } while (0)
