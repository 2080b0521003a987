/* A timer for a machine that says when it next wants the clock: one sd-event source on
 * CLOCK_BOOTTIME, re-armed after every step. */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

typedef void (*TimerHandler)(void *userdata);

typedef struct Timer {
        sd_event_source *source;
        TimerHandler handler;
        void *userdata;
        uint64_t when_usec; /* USEC_INFINITY: not armed */
} Timer;

/* Returns 0 or a negative errno. The timer is not armed yet. */
int timer_init(Timer *timer, sd_event *event, int64_t priority, TimerHandler handler, void *userdata);
void timer_deinit(Timer *timer);
/* WHEN_USEC on CLOCK_BOOTTIME; USEC_INFINITY disarms. */
void timer_set(Timer *timer, uint64_t when_usec);
