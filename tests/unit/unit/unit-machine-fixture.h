/* A machine under test and what the world around it looks like: the environment is kept from the
 * effects and the events alone, so that it can contradict the machine. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/unit-machine.h"

typedef struct World {
        bool tree, gate_open, gate_asked, release_owed, guard_owed, guard, start_owed, frozen, watched;
} World;

typedef struct Bench {
        UnitMachine m;
        World w;
        uint64_t now_usec;
        int finished; /* FINISHED effects of the last step */
        char log[1024]; /* the effects of the last step, in words */
} Bench;

void bench_init(Bench *b, const UnitPolicy *policy);
/* Steps, checks each effect against the world, and keeps both up to date. */
void bench_feed(Bench *b, UnitEvent event);
/* bench_feed() and a comparison of the effects, "[down -> guard (up)] spawn-guard" and the like. */
#define bench_expect(b, text, ...)                                                                           \
        do {                                                                                                 \
                bench_feed((b), (UnitEvent){.type = __VA_ARGS__});                                           \
                assert_string_equal((b)->log, text);                                                         \
        } while (0)
/* Up to READY, with the replies that belong to it. */
void bench_bring_up(Bench *b);
