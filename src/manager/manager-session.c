#include "manager/manager-private.h"

#include <stdio.h>
#include "manager/notify.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"

/* Without contact: when to say so first, and the longest time between two lines. */
#define COMPLAIN_FIRST_USEC (3 * USEC_PER_SEC)
#define COMPLAIN_MAX_USEC (60 * USEC_PER_SEC)
/* The machine of the session asks for a time; so much later without it, it is stuck. */
#define WELL_LATE_USEC (5 * USEC_PER_SEC)

static void on_attached(Manager *manager, const Event *event)
{
        char problem[400], text[DURATION_STRING_MAX];
        Timing timing;

        if (timing_init(&timing, event->session.timeout_usec, manager->grace_usec, problem, sizeof(problem)) < 0) {
                log_error("%s", problem);
                manager_give_up(manager, UNIT_EXIT_FAILURE);
                return;
        }
        log_write_fields(LOG_LEVEL_INFO,
                &(LogFields){.event = LOG_EVENT_CONNECTED, .session = (uint64_t)event->session.id},
                "connected to %s, session 0x%llx, timeout %s", client_server(manager->client),
                (unsigned long long)event->session.id, duration_to_string(timing.session_usec, text));
        timer_set(&manager->complaint, USEC_INFINITY);
        manager->timing = timing;
        heart_set_timing(&manager->heart, &timing);
        for_each_member(m, manager)
                unit_set_timing(m->unit, &timing);
}

void manager_begin_to_complain(Manager *manager)
{
        manager->alone_since_usec = clock_boottime_usec();
        manager->complain_after_usec = COMPLAIN_FIRST_USEC;
        timer_set(&manager->complaint, manager->alone_since_usec + manager->complain_after_usec);
}

void manager_on_complaint(void *userdata)
{
        Manager *manager = userdata;
        CLEANUP_STRING failures = client_describe_failures(manager->client);
        uint64_t now = clock_boottime_usec();
        char text[DURATION_STRING_MAX];

        if (manager->finished)
                return;
        log_write_fields(LOG_LEVEL_WARNING, &(LogFields){.event = LOG_EVENT_NO_ENSEMBLE},
                "no ensemble for %s, still trying: %s",
                duration_to_string((now - manager->alone_since_usec) / USEC_PER_SEC * USEC_PER_SEC, text),
                failures && *failures ? failures : "no answer yet");
        if (!manager->handler)
                notify_status("waiting for the ensemble");
        manager_tell(manager, (ManagerNews){.kind = MANAGER_NO_CONTACT, .text = failures ?: ""});
        manager->complain_after_usec = MIN(2 * manager->complain_after_usec, COMPLAIN_MAX_USEC);
        timer_set(&manager->complaint, now + manager->complain_after_usec);
}

static const char *name_of(enum SessionChange change)
{
        switch (change) {
        case SESSION_ATTACHED:
                return "attached";
        case SESSION_SUSPENDED:
                return "suspended";
        case SESSION_EXPIRED:
                return "connecting";
        case SESSION_CLOSED:
                return "closed";
        }
        return "";
}

static void on_session(Manager *manager, const Event *event)
{
        manager->session_state = name_of(event->session.change);
        manager->session_since_usec = clock_realtime_usec();
        manager->expiries += event->session.change == SESSION_EXPIRED;
        switch (event->session.change) {
        case SESSION_ATTACHED:
                on_attached(manager, event);
                break;
        case SESSION_SUSPENDED:
                log_write_fields(LOG_LEVEL_WARNING,
                        &(LogFields){.event = LOG_EVENT_NO_CONTACT, .session = (uint64_t)event->session.id},
                        "no contact with the ensemble");
                manager_begin_to_complain(manager);
                break;
        case SESSION_EXPIRED:
                log_write_fields(LOG_LEVEL_WARNING,
                        &(LogFields){.event = LOG_EVENT_SESSION_EXPIRED, .session = (uint64_t)event->session.id},
                        "the session has expired");
                break;
        case SESSION_CLOSED:
                log_debug("the session is closed");
                manager->closed = true;
                break;
        }
        heart_on_session(&manager->heart, event);
        for_each_member(m, manager)
                unit_on_session(m->unit, event);
        manager_tell(manager, (ManagerNews){.kind = MANAGER_SESSION, .event = event});
        manager_maybe_exit(manager);
}

void manager_on_client(void *userdata, const ClientEvent *event)
{
        Manager *manager = userdata;

        switch (event->kind) {
        case CLIENT_SESSION:
                on_session(manager, event->event);
                break;
        case CLIENT_NO_ENSEMBLE:
                log_write_fields(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_NO_ENSEMBLE, .reason = event->text},
                        "no ensemble within the connect timeout: %s", event->text);
                manager_give_up(manager, UNIT_EXIT_NO_ENSEMBLE);
                break;
        case CLIENT_DENIED:
                log_write_fields(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_REFUSED, .reason = event->text},
                        "refused by the ensemble: %s", event->text);
                manager_give_up(manager, UNIT_EXIT_REFUSED);
                break;
        }
}

/* --- how it stands ------------------------------------------------------------------------------ */

void manager_snapshot(const Manager *manager, SnapshotSession *session)
{
        const Heart *heart = &manager->heart;
        ClientStatistics statistics;

        client_statistics(manager->client, &statistics);
        *session = (SnapshotSession){.state = manager->closing && !manager->closed ? "closing" : manager->session_state,
                .server = client_server(manager->client),
                .chroot = client_chroot(manager->client),
                .id = client_session_id(manager->client),
                .timeout_usec = manager->timing.session_usec,
                .lease_usec = manager->timing.lease_usec,
                .renew_usec = manager->timing.renew_usec,
                .grace_usec = manager->timing.grace_usec,
                .kill_budget_usec = manager->timing.kill_usec,
                .since_usec = manager->session_since_usec,
                .renewals = heart->renewals,
                .attaches = statistics.attaches,
                .sessions = statistics.sessions,
                .cuts = statistics.cuts,
                .expiries = manager->expiries,
                .requests = statistics.requests,
                .replies = statistics.replies,
                .unknown = statistics.unknown,
                .has_renew_latency = heart->latency_count > 0,
                .renew_latency_seconds = (double)heart->latency_usec / USEC_PER_SEC,
                .renew_latency_sum_seconds = (double)heart->latency_sum_usec / USEC_PER_SEC,
                .renew_latency_max_seconds = (double)heart->latency_max_usec / USEC_PER_SEC};
}

bool manager_is_well(const Manager *manager)
{
        uint64_t due = client_deadline_usec(manager->client);

        return due == USEC_INFINITY || clock_boottime_usec() < usec_add(due, WELL_LATE_USEC);
}
