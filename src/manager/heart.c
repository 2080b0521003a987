#include "manager/heart.h"

#include "util/clock.h"
#include "util/log.h"

/* Before the work of units, after the ZooKeeper socket itself. */
#define HEART_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 50)

static void step(Heart *heart, const Event *event);

static void on_reply(void *userdata, const Event *event)
{
        Heart *heart = userdata;

        if (event->kind == EVENT_REPLY && event->reply.outcome == OUTCOME_OK) {
                heart->latency_usec = usec_sub(event->now_usec, heart->sent_usec);
                heart->latency_sum_usec += heart->latency_usec;
                heart->latency_max_usec = MAX(heart->latency_max_usec, heart->latency_usec);
                heart->latency_count++;
        }
        step(heart, event);
}

static void on_timer(void *userdata)
{
        Event event = {.kind = EVENT_TIME, .now_usec = clock_boottime_usec()};

        step(userdata, &event);
}

static void tell_extended(Heart *heart)
{
        heart->renewals++;
        /* Whoever hears of it may end holds, also the one that comes next: see heart_remove(). */
        for (ListLink *link = heart->holds.next; link != &heart->holds; link = heart->next) {
                Hold *hold = list_entry(link, Hold, link);

                heart->next = link->next;
                if (hold->claim->state != CLAIM_HELD || hold->told_usec == hold->claim->deadline_usec)
                        continue;
                hold->told_usec = hold->claim->deadline_usec;
                hold->extended(hold, hold->told_usec);
        }
        heart->next = NULL;
}

static void unlink_hold(Heart *heart, Hold *hold)
{
        if (heart->next == &hold->link)
                heart->next = hold->link.next;
        list_unlink(&hold->link);
}

static void tell_lost(Heart *heart)
{
        Claim *claim;

        while ((claim = lease_take_lost(&heart->lease)))
                list_for_each_safe(link, &heart->holds)
                {
                        Hold *hold = list_entry(link, Hold, link);

                        if (hold->claim == claim) {
                                unlink_hold(heart, hold);
                                hold->lost(hold, claim->reason);
                                break;
                        }
                }
}

static void perform(Heart *heart, const Effects *effects)
{
        for (size_t i = 0; i < effects->n; i++) {
                const Effect *effect = &effects->items[i];

                switch (effect->kind) {
                case EFFECT_REQUEST:
                        /* No memory: no renewal this time. The next one is due as it was; until one is
                         * acknowledged the deadline stands, and the guards act on it. */
                        heart->sent_usec = clock_boottime_usec();
                        if (client_submit(heart->client, &effect->request, on_reply, heart) < 0) {
                                log_error("cannot send the renewal: out of memory");
                                heart->lease.under_way = heart->lease.in_round = false;
                        }
                        break;
                case EFFECT_EXTENDED:
                        tell_extended(heart);
                        break;
                case EFFECT_LOST:
                        tell_lost(heart);
                        break;
                case EFFECT_TRACE:
                        log_debug("%s", effect->trace.text);
                        break;
                case EFFECT_WAITING:
                case EFFECT_YIELD:
                case EFFECT_HELD:
                case EFFECT_RELEASED:
                case EFFECT_FAILED:
                        break;
                }
        }
}

static void step(Heart *heart, const Event *event)
{
        Effects effects = {0};

        lease_step(&heart->lease, event, &effects);
        perform(heart, &effects);
        timer_set(&heart->timer, lease_deadline(&heart->lease));
}

int heart_init(Heart *heart, sd_event *event, Client *client)
{
        *heart = (Heart){.client = client};
        lease_init(&heart->lease);
        list_init(&heart->holds);
        return timer_init(&heart->timer, event, HEART_PRIORITY, on_timer, heart);
}

void heart_deinit(Heart *heart)
{
        if (heart->client)
                client_cancel(heart->client, heart);
        timer_deinit(&heart->timer);
        lease_deinit(&heart->lease);
}

int heart_reserve(Heart *heart, size_t n)
{
        return lease_reserve(&heart->lease, n);
}

void heart_set_timing(Heart *heart, const Timing *timing)
{
        lease_set_timing(&heart->lease, timing);
}

void heart_on_session(Heart *heart, const Event *event)
{
        step(heart, event);
}

void heart_add(Heart *heart, Hold *hold)
{
        list_append(&heart->holds, &hold->link);
        hold->told_usec = hold->claim->deadline_usec;
        lease_add(&heart->lease, hold->claim, clock_boottime_usec());
        timer_set(&heart->timer, lease_deadline(&heart->lease));
}

void heart_remove(Heart *heart, Hold *hold)
{
        unlink_hold(heart, hold);
        lease_remove(&heart->lease, hold->claim);
        timer_set(&heart->timer, lease_deadline(&heart->lease));
}
