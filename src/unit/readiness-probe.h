/* One kind of look at a command from outside, repeated until it succeeds: a connection, a GET, a
 * program. Internal to readiness.c. A Probe runs at most one attempt at a time; it owns the
 * attempt's socket or process and gives up on it at the limit. */
#pragma once

#include <sys/types.h>
#include "unit/readiness.h"

typedef struct Probe Probe;
/* The first success; the probe has ended. */
typedef void (*ProbeHandler)(void *userdata);

struct Probe {
        sd_event *event;
        Reaper *reaper;
        const ReadinessConfig *config;
        ProbeHandler handler;
        void *userdata;
        sd_event_source *timer, *io;
        int fd;
        bool active, attempting, connected;
        unsigned attempts;
        char reply[16];
        size_t reply_len;
        pid_t pid;
        ReaperWatch watch;
};

int readiness_probe_init(Probe *p, sd_event *event, Reaper *reaper, const ReadinessConfig *config,
        ProbeHandler handler, void *userdata);
void readiness_probe_deinit(Probe *p);
/* Returns 0 or a negative errno. The handler is called from the loop only. */
int readiness_probe_start(Probe *p);
void readiness_probe_stop(Probe *p);
