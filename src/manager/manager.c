#include "manager/manager-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "manager/notify.h"
#include "util/clock.h"
#include "util/log.h"

void manager_tell(Manager *manager, ManagerNews news)
{
        if (manager->handler)
                manager->handler(manager->userdata, &news);
}

/* --- the end ------------------------------------------------------------------------------------ */

void manager_maybe_exit(Manager *manager)
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
        manager_maybe_exit(manager);
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
        manager_tell(member->manager, (ManagerNews){.kind = MANAGER_UNIT,
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

void manager_begin_all(Manager *manager)
{
        for_each_member(m, manager)
                begin(m);
}

void manager_give_up(Manager *manager, int status)
{
        if (manager->status == 0)
                manager->status = status;
        if (manager->handler)
                manager->finished = true;
        manager_begin_all(manager);
        for_each_member(m, manager)
                if (!unit_is_at_rest(m->unit))
                        unit_gate_failed(m->unit, status);
        maybe_close(manager);
}

/* --- life --------------------------------------------------------------------------------------- */

static int build(Manager *manager, const ManagerConfig *config, char *problem, size_t problem_size)
{
        int r;

        r = sd_event_new(&manager->event);
        if (r < 0)
                return r;
        r = manager_add_signals(manager);
        if (r < 0)
                return r;
        r = reaper_new(&manager->reaper, manager->event);
        if (r < 0)
                return r;
        r = manager_make_page(manager, config->saved);
        if (r < 0)
                return r;
        r = manager_make_client(manager, config, problem, problem_size);
        if (r < 0)
                return r;
        r = heart_init(&manager->heart, manager->event, manager->client);
        if (r < 0)
                return r;
        manager->heart_is_ready = true;
        r = timer_init(&manager->complaint, manager->event, SD_EVENT_PRIORITY_IDLE, manager_on_complaint, manager);
        if (r < 0)
                return r;
        manager_begin_to_complain(manager);
        if (config->saved)
                manager_restore_timing(manager, config->saved);
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

void manager_free_member(Member *member)
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
                manager_free_member(list_entry(link, Member, link));
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

int manager_make_member(Manager *manager, const UnitConfig *config, void *userdata, Member **out)
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
                manager_free_member(member);
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
        int r = manager_make_member(manager, config, userdata, &member);

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
                manager_free_member(member);
                return r;
        }
        manager->n_members++;
        if (out)
                *out = member->unit;
        return 0;
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
                        manager_free_member(m);
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
