#include "manager/manager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "manager/notify.h"
#include "manager/orphan.h"
#include "unit/log-file.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/signal-name.h"

/* Slots of the lease page. */
#define UNITS_MAX 4096
#define for_each_member(m, manager)                                                                          \
        list_for_each(m##_link, &(manager)->members)                                                         \
                for (Member *m = list_entry(m##_link, Member, link); m; m = NULL)
/* For lines that are on their way to a file when another program is to take our place. */
#define LOG_SETTLE_USEC (100 * USEC_PER_MSEC)
/* Without contact: when to say so first, and the longest time between two lines. */
#define COMPLAIN_FIRST_USEC (3 * USEC_PER_SEC)
#define COMPLAIN_MAX_USEC (60 * USEC_PER_SEC)
/* The machine of the session asks for a time; so much later without it, it is stuck. */
#define WELL_LATE_USEC (5 * USEC_PER_SEC)

typedef struct Member {
        ListLink link;
        Manager *manager;
        Unit *unit;
        void *userdata;
        sd_event_source *beginning; /* until the unit is told to go up */
} Member;

struct Manager {
        sd_event *event;
        ManagerHandler handler; /* NULL: one command */
        void *userdata;
        Client *client;
        Heart heart;
        bool heart_is_ready;
        Reaper *reaper;
        LeasePage *page;
        ListLink members; /* the first one is the primary */
        size_t n_members;
        uint64_t grace_usec;
        int status;
        bool finished; /* the primary is, or we were told to stop */
        bool closing, closed;
        Timer complaint;
        uint64_t alone_since_usec, complain_after_usec;
        Timing timing;
        const char *session_state;
        uint64_t session_since_usec; /* CLOCK_REALTIME */
        uint64_t expiries;
        ListLink orphans;
        void (*gone)(void *userdata, const char *unit);
        void *gone_userdata;
};

static void tell(Manager *manager, ManagerNews news)
{
        if (manager->handler)
                manager->handler(manager->userdata, &news);
}

/* Everything but KILL and STOP, which nobody can pass on, and CHLD, which is the reaper's. */
static bool is_passed_on(int signal)
{
        /* the C library keeps those between the classic and the real-time signals for itself */
        return signal != SIGKILL && signal != SIGSTOP && signal != SIGCHLD && (signal < 32 || signal >= SIGRTMIN);
}

void manager_save_signals(sigset_t *blocked, sigset_t *ignored)
{
        sigset_t all;

        spawn_record_signals(blocked, ignored);
        sigemptyset(&all);
        for (int i = 1; i <= SIGRTMAX; i++)
                if (is_passed_on(i))
                        sigaddset(&all, i);
        sigaddset(&all, SIGCHLD);
        sigprocmask(SIG_BLOCK, &all, NULL);
}

/* --- the end ------------------------------------------------------------------------------------ */

static void maybe_exit(Manager *manager)
{
        if (manager->finished && manager->closed)
                (void)sd_event_exit(manager->event, manager->status);
}

static bool is_primary(const Member *member)
{
        return !member->manager->handler && member->manager->members.next == &member->link;
}

/* The session is needed until the last unit has given back what it held. */
static void maybe_close(Manager *manager)
{
        if (!manager->finished || manager->closing)
                return;
        for_each_member(m, manager)
                if (!unit_is_at_rest(m->unit))
                        return;
        manager->closing = true;
        client_close(manager->client);
        maybe_exit(manager);
}

static void finish(Manager *manager, int status)
{
        manager->finished = true;
        if (manager->status == 0)
                manager->status = status;
        notify_stopping();
        for_each_member(m, manager)
                if (!unit_is_at_rest(m->unit))
                        unit_down(m->unit, 0);
}

static void on_unit(void *userdata, const UnitNews *news)
{
        Member *member = userdata;

        switch (news->kind) {
        case UNIT_NEWS_READY:
                if (is_primary(member))
                        notify_ready();
                break;
        case UNIT_NEWS_STATUS:
                if (is_primary(member))
                        notify_status(news->text);
                break;
        case UNIT_NEWS_WEDGED:
        case UNIT_NEWS_CHANGED:
                break; /* said by the unit */
        case UNIT_NEWS_FINISHED:
                if (is_primary(member) && !member->manager->finished)
                        finish(member->manager, news->status);
                break;
        }
        tell(member->manager, (ManagerNews){.kind = MANAGER_UNIT,
                                      .unit = member->unit,
                                      .unit_userdata = member->userdata,
                                      .unit_news = news});
        if (news->kind == UNIT_NEWS_FINISHED)
                maybe_close(member->manager);
}

/* A unit goes up once the loop has begun to connect, so that its guard starts while the ensemble answers:
 * that saves a short command more than a millisecond. What cannot wait comes here first. */
static void begin(Member *member)
{
        if (!member->beginning)
                return;
        member->beginning = sd_event_source_disable_unref(member->beginning);
        unit_up(member->unit);
}

static int on_beginning(sd_event_source *source, void *userdata)
{
        begin(userdata);
        return 0;
}

static void give_up(Manager *manager, int status)
{
        if (manager->status == 0)
                manager->status = status;
        if (manager->handler)
                manager->finished = true;
        for_each_member(m, manager)
                begin(m);
        for_each_member(m, manager)
                if (!unit_is_at_rest(m->unit))
                        unit_gate_failed(m->unit, status);
        maybe_close(manager);
}

/* --- the session -------------------------------------------------------------------------------- */

static void on_attached(Manager *manager, const Event *event)
{
        char problem[400], text[DURATION_STRING_MAX];
        Timing timing;

        if (timing_init(&timing, event->session.timeout_usec, manager->grace_usec, problem, sizeof(problem)) < 0) {
                log_error("%s", problem);
                give_up(manager, UNIT_EXIT_FAILURE);
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

/* The lines about a missing ensemble become rarer, and stop with the contact. */
static void begin_to_complain(Manager *manager)
{
        manager->alone_since_usec = clock_boottime_usec();
        manager->complain_after_usec = COMPLAIN_FIRST_USEC;
        timer_set(&manager->complaint, manager->alone_since_usec + manager->complain_after_usec);
}

static void on_complaint(void *userdata)
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
        tell(manager, (ManagerNews){.kind = MANAGER_NO_CONTACT, .text = failures ?: ""});
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
                begin_to_complain(manager);
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
        tell(manager, (ManagerNews){.kind = MANAGER_SESSION, .event = event});
        maybe_exit(manager);
}

static void on_client(void *userdata, const ClientEvent *event)
{
        Manager *manager = userdata;

        switch (event->kind) {
        case CLIENT_SESSION:
                on_session(manager, event->event);
                break;
        case CLIENT_NO_ENSEMBLE:
                log_write_fields(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_NO_ENSEMBLE, .reason = event->text},
                        "no ensemble within the connect timeout: %s", event->text);
                give_up(manager, UNIT_EXIT_NO_ENSEMBLE);
                break;
        case CLIENT_DENIED:
                log_write_fields(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_REFUSED, .reason = event->text},
                        "refused by the ensemble: %s", event->text);
                give_up(manager, UNIT_EXIT_REFUSED);
                break;
        }
}

/* --- signals ------------------------------------------------------------------------------------ */

/* What our own write brought about (PIPE when the reader of the log or a server has gone, XFSZ): the
 * kernel sends it as if we had sent it ourselves. It is not meant for the command. */
static bool is_of_our_own_making(const struct signalfd_siginfo *info)
{
        return info->ssi_code == SI_USER && info->ssi_pid == (uint32_t)getpid();
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        Manager *manager = userdata;
        int signal = (int)info->ssi_signo;
        char name[SIGNAL_NAME_MAX];

        if (is_of_our_own_making(info))
                return 0; /* without a line in the log, which might bring about the next one */
        log_debug("signal %s", signal_to_string(signal, name));
        if (manager->handler) {
                tell(manager, (ManagerNews){.kind = MANAGER_SIGNAL, .signal = signal});
                return 0;
        }
        for_each_member(m, manager)
                begin(m);
        for_each_member(m, manager)
                if (signal == SIGTERM || signal == SIGINT)
                        unit_down(m->unit, signal);
                else
                        unit_signal(m->unit, signal);
        return 0;
}

/* Those that mean something to us when there is more than one command; the others stay blocked. */
static bool is_ours(int signal)
{
        return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGUSR1 || signal == SIGUSR2;
}

/* All in one source each and at one priority, so that sd-event hands them out as the kernel does. */
static int add_signals(Manager *manager)
{
        for (int i = 1; i <= SIGRTMAX; i++) {
                int r;

                if (!(manager->handler ? is_ours(i) : is_passed_on(i)))
                        continue;
                r = sd_event_add_signal(manager->event, NULL, i, on_signal, manager);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- life --------------------------------------------------------------------------------------- */

static int restore_page(Manager *manager, Saved *saved)
{
        const char *file = saved_get(saved, "lease-file");
        int r = lease_page_adopt(&manager->page, saved_take_fd(saved, "lease-page"),
                (unsigned)saved_get_number(saved, "lease-page-slots", 0));

        if (r == 0 && file) {
                r = lease_page_adopt_file(manager->page, saved_take_fd(saved, "lease-file-fd"), file);
                if (r < 0)
                        log_warning("zksup still-mine will not work in commands of other users: %s", strerror(-r));
        }
        return manager->page ? 0 : r;
}

static int make_page(Manager *manager, Saved *saved)
{
        if (saved)
                return restore_page(manager, saved);
        return manager->handler ? lease_page_new_lasting(&manager->page, UNITS_MAX) :
                                  lease_page_new(&manager->page, UNITS_MAX);
}

static int make_client(Manager *manager, const ManagerConfig *config, char *problem, size_t problem_size)
{
        ClientConfig client = config->client;
        ClientSession session = {0};
        int r;

        if (config->saved) {
                session.id = saved_get_signed(config->saved, "session", 0);
                session.timeout_usec = saved_get_number(config->saved, "session-timeout-usec", 0);
                for (size_t i = 0; i < sizeof(session.password); i++) {
                        saved_go_in(config->saved, "session-password", i);
                        session.password[i] = (char)saved_get_number(config->saved, "byte", 0);
                        saved_go_out(config->saved);
                }
                if (session.id && session.timeout_usec)
                        client.session = &session;
        }
        r = client_new(&manager->client, manager->event, &client, on_client, manager, problem, problem_size);
        explicit_bzero(&session, sizeof(session));
        return r;
}

/* What was granted, so that leases go on running out as before until there is contact. */
static void restore_timing(Manager *manager, const Saved *saved)
{
        char problem[400];

        manager->expiries = saved_get_number(saved, "expiries", 0);
        manager->session_since_usec = saved_get_number(saved, "session-since-usec", manager->session_since_usec);
        if (timing_init(&manager->timing, saved_get_number(saved, "granted-usec", 0), manager->grace_usec, problem,
                    sizeof(problem)) < 0)
                log_error("%s", problem);
        else
                heart_set_timing(&manager->heart, &manager->timing);
}

static int build(Manager *manager, const ManagerConfig *config, char *problem, size_t problem_size)
{
        int r;

        r = sd_event_new(&manager->event);
        if (r < 0)
                return r;
        r = add_signals(manager);
        if (r < 0)
                return r;
        r = reaper_new(&manager->reaper, manager->event);
        if (r < 0)
                return r;
        r = make_page(manager, config->saved);
        if (r < 0)
                return r;
        r = make_client(manager, config, problem, problem_size);
        if (r < 0)
                return r;
        r = heart_init(&manager->heart, manager->event, manager->client);
        if (r < 0)
                return r;
        manager->heart_is_ready = true;
        r = timer_init(&manager->complaint, manager->event, SD_EVENT_PRIORITY_IDLE, on_complaint, manager);
        if (r < 0)
                return r;
        begin_to_complain(manager);
        if (config->saved)
                restore_timing(manager, config->saved);
        return 0;
}

int manager_new(Manager **out, const ManagerConfig *config, char *problem, size_t problem_size)
{
        CLEANUP(manager_free) Manager *manager = calloc(1, sizeof(*manager));
        int r;

        snprintf(problem, problem_size, "out of memory");
        if (!manager)
                return -ENOMEM;
        manager->grace_usec = config->grace_usec;
        manager->handler = config->handler;
        manager->userdata = config->userdata;
        manager->session_state = "connecting";
        manager->session_since_usec = clock_realtime_usec();
        list_init(&manager->members);
        list_init(&manager->orphans);
        snprintf(problem, problem_size, "cannot set up the event loop");
        r = build(manager, config, problem, problem_size);
        if (r < 0)
                return r;
        *out = TAKE(manager);
        return 0;
}

static void free_member(Member *member)
{
        list_unlink(&member->link);
        sd_event_source_disable_unref(member->beginning);
        unit_free(member->unit);
        free(member);
}

Manager *manager_free(Manager *manager)
{
        if (!manager)
                return NULL;
        list_for_each_safe(link, &manager->members)
                free_member(list_entry(link, Member, link));
        list_for_each_safe(link, &manager->orphans)
                orphan_free(orphan_from_link(link));
        timer_deinit(&manager->complaint);
        if (manager->heart_is_ready)
                heart_deinit(&manager->heart);
        manager->client = client_free(manager->client);
        manager->reaper = reaper_free(manager->reaper); /* gives back the slots of guards that still end */
        manager->page = lease_page_free(manager->page);
        manager->event = sd_event_unref(manager->event);
        free(manager);
        return NULL;
}

static int begin_later(Member *member)
{
        int r = sd_event_add_defer(member->manager->event, &member->beginning, on_beginning, member);

        return r < 0 ? r : sd_event_source_set_priority(member->beginning, SD_EVENT_PRIORITY_IDLE);
}

/* A member with its unit, which has its timing. */
static int make_member(Manager *manager, const UnitConfig *config, void *userdata, Member **out)
{
        UnitContext context = {.event = manager->event,
                .client = manager->client,
                .heart = &manager->heart,
                .reaper = manager->reaper,
                .page = manager->page};
        Member *member = calloc(1, sizeof(*member));
        int r = heart_reserve(&manager->heart, GATE_CHAIN_MAX * (manager->n_members + 1));

        if (!member)
                return -ENOMEM;
        member->manager = manager;
        member->userdata = userdata;
        list_append(&manager->members, &member->link);
        if (r == 0)
                r = unit_new(&member->unit, &context, config, on_unit, member);
        if (r < 0) {
                free_member(member);
                return r;
        }
        if (manager->timing.session_usec)
                unit_set_timing(member->unit, &manager->timing);
        *out = member;
        return 0;
}

int manager_add(Manager *manager, const UnitConfig *config, void *userdata, bool up, Unit **out)
{
        Member *member;
        int r = make_member(manager, config, userdata, &member);

        if (r < 0)
                return r;
        if (r == 0 && client_is_attached(manager->client))
                unit_on_session(member->unit, &(Event){.kind = EVENT_SESSION,
                                                      .now_usec = clock_boottime_usec(),
                                                      .session = {.change = SESSION_ATTACHED,
                                                              .id = client_session_id(manager->client),
                                                              .timeout_usec = client_timeout_usec(manager->client)}});
        if (r == 0 && up)
                r = begin_later(member);
        if (r < 0) {
                free_member(member);
                return r;
        }
        manager->n_members++;
        if (out)
                *out = member->unit;
        return 0;
}

static void on_orphan_gone(Orphan *orphan, void *userdata)
{
        Manager *manager = userdata;
        char name[200];

        snprintf(name, sizeof(name), "%s", orphan_name(orphan));
        orphan_free(orphan);
        manager->gone(manager->gone_userdata, name);
}

/* With a guard that we have, its slot is free again once the tree is proved dead. One that we could not take over ends all the
 * same, but nobody proves it. */
static void leave_to_its_end(Manager *manager, Saved *saved, bool has_guard)
{
        bool had_guard;
        uint64_t slot;
        Orphan *orphan;

        saved_go_in(saved, "guard", SAVED_NO_INDEX);
        had_guard = saved_get(saved, "guard");
        slot = saved_get_number(saved, "slot", 0);
        saved_go_out(saved);
        if (had_guard != has_guard) {
                log_unit_error(saved_get(saved, "name") ?: "?",
                        "what it held is not given back before zksup ends, as nobody can prove that nothing of it runs");
                return;
        }
        if (orphan_new(&orphan, manager->event, manager->client, manager->page, saved, had_guard ? (int)slot : -1,
                    on_orphan_gone, manager) == 0)
                list_append(&manager->orphans, orphan_link(orphan));
}

int manager_restore(Manager *manager, const UnitConfig *config, void *userdata, Saved *saved,
        void (*gone)(void *userdata, const char *unit), void *gone_userdata, Unit **out)
{
        Member *member;
        bool has_guard;
        int r = make_member(manager, config, userdata, &member);

        *out = NULL;
        if (r < 0)
                return r;
        manager->gone = gone;
        manager->gone_userdata = gone_userdata;
        r = unit_restore(member->unit, saved);
        if (r < 0) {
                has_guard = unit_has_guard(member->unit);
                free_member(member);
                leave_to_its_end(manager, saved, has_guard);
                return r;
        }
        manager->n_members++;
        *out = member->unit;
        return 0;
}

/* --- another program in our place --------------------------------------------------------------- */

static bool is_quiet(const Manager *manager, char *obstacle, size_t size)
{
        size_t guards = 0;

        if (manager->finished || manager->closing) {
                snprintf(obstacle, size, "zksup is stopping");
                return false;
        }
        for_each_member(m, manager) {
                guards += unit_guards(m->unit);
                if (!m->beginning)
                        continue;
                snprintf(obstacle, size, "units are being started");
                return false;
        }
        if (!log_file_settle(LOG_SETTLE_USEC)) {
                snprintf(obstacle, size, "the file system of a log file does not answer");
                return false;
        }
        if (reaper_count(manager->reaper) == guards && list_is_empty(&manager->orphans))
                return true;
        snprintf(obstacle, size, "a process of ours is ending yet, or a probe is under way");
        return false;
}

static void save_session(const ClientSession *session, SavedWriter *w)
{
        saved_put_signed(w, "session", session->id);
        saved_put_number(w, "session-timeout-usec", session->timeout_usec);
        for (size_t i = 0; i < sizeof(session->password); i++) {
                saved_enter(w, "session-password", i);
                saved_put_number(w, "byte", (unsigned char)session->password[i]);
                saved_leave(w);
        }
}

bool manager_save(const Manager *manager, SavedWriter *w, char *obstacle, size_t size)
{
        ClientSession session;
        const char *file;
        int fd;

        if (!is_quiet(manager, obstacle, size))
                return false;
        if (!client_save(manager->client, &session)) {
                snprintf(obstacle, size, client_is_attached(manager->client) ?
                                "requests to the ensemble are under way" :
                                "there is no contact with the ensemble");
                return false;
        }
        save_session(&session, w);
        explicit_bzero(&session, sizeof(session));
        saved_put_number(w, "granted-usec", manager->timing.session_usec);
        saved_put_number(w, "expiries", manager->expiries);
        saved_put_number(w, "session-since-usec", manager->session_since_usec);
        saved_put_fd(w, "lease-page", lease_page_fd(manager->page));
        saved_put_number(w, "lease-page-slots", lease_page_slots(manager->page));
        file = lease_page_file(manager->page, &fd);
        saved_put(w, "lease-file", file);
        if (file)
                saved_put_fd(w, "lease-file-fd", fd);
        return true;
}

bool manager_hold_back(Manager *manager, const Unit *unit)
{
        for_each_member(m, manager)
                if (m->unit == unit && m->beginning) {
                        m->beginning = sd_event_source_disable_unref(m->beginning);
                        return true;
                }
        return false;
}

bool manager_is_ending(const Manager *manager)
{
        return manager->finished;
}

void manager_remove(Manager *manager, Unit *unit)
{
        for_each_member(m, manager)
                if (m->unit == unit) {
                        free_member(m);
                        manager->n_members--;
                        return;
                }
}

void manager_stop(Manager *manager, int status)
{
        if (manager->status == 0)
                manager->status = status;
        manager->finished = true;
        notify_stopping();
        for_each_member(m, manager) {
                m->beginning = sd_event_source_disable_unref(m->beginning);
                if (!unit_is_at_rest(m->unit))
                        unit_down(m->unit, 0);
        }
        maybe_close(manager);
}

int manager_run(Manager *manager)
{
        int r = sd_event_loop(manager->event);

        if (r < 0) {
                log_error("the event loop failed: %s", strerror(-r));
                return UNIT_EXIT_FAILURE;
        }
        return r;
}

sd_event *manager_event(const Manager *manager)
{
        return manager->event;
}

Reaper *manager_reaper(const Manager *manager)
{
        return manager->reaper;
}

Client *manager_client(const Manager *manager)
{
        return manager->client;
}

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
