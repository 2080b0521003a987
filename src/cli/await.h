/* Tells units to do something and waits for what comes of it. The events are listened to before anything is
 * asked for, so none can be missed and nothing is asked again and again. */
#pragma once

#include "cli/control.h"

enum AwaitKind {
        AWAIT_START,     /* until it is ready, has finished, or waits for its gate; or has failed */
        AWAIT_STOP,      /* until nothing of it runs and nothing is held */
        AWAIT_RESTART,   /* as START, of another run than before */
        AWAIT_STEP_DOWN, /* until what it held is given back */
};

typedef struct AwaitConfig {
        enum AwaitKind kind;
        const char *what;      /* the command in the path: "start" */
        uint64_t timeout_usec; /* for all of it */
        bool no_block;         /* do not wait */
} AwaitConfig;

/* UNITS: as /v1/units shows them. Says what came of each, unless quiet. Returns the exit status: 0 if it came
 * out well for all. */
int await_units(const Control *control, const AwaitConfig *config, const json_t *units);
