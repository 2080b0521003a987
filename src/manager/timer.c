#include "manager/timer.h"

#include <time.h>
#include "util/clock.h"
#include "util/test-clock.h"

/* sd-event may be late by this much, to serve several timers with one wake-up; 0 would mean its
 * default of 250 ms. */
#define TIMER_ACCURACY_USEC USEC_PER_MSEC

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
        Timer *timer = userdata;

        timer->when_usec = USEC_INFINITY;
        timer->handler(timer->userdata);
        return 0;
}

int timer_init(Timer *timer, sd_event *event, int64_t priority, TimerHandler handler, void *userdata)
{
        int r;

        *timer = (Timer){.handler = handler, .userdata = userdata, .when_usec = USEC_INFINITY};
        r = sd_event_add_time(event, &timer->source, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC, on_time, timer);
        if (r < 0)
                return r;
        (void)sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
        (void)sd_event_source_set_priority(timer->source, priority);
        return 0;
}

void timer_deinit(Timer *timer)
{
        timer->source = sd_event_source_disable_unref(timer->source);
}

void timer_set(Timer *timer, uint64_t when_usec)
{
        timer->when_usec = when_usec;
        if (when_usec == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(timer->source, test_clock_timer(when_usec));
        (void)sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
}
