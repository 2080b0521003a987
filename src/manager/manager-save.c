#include "manager/manager-private.h"

#include <stdio.h>
#include <string.h>
#include "unit/log-file.h"
#include "util/clock.h"
#include "util/log.h"

/* Slots of the lease page. */
#define UNITS_MAX 4096
/* For lines that are on their way to a file when another program is to take our place. */
#define LOG_SETTLE_USEC (100 * USEC_PER_MSEC)

/* --- taken over --------------------------------------------------------------------------------- */

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

int manager_make_page(Manager *manager, Saved *saved)
{
        if (saved)
                return restore_page(manager, saved);
        return manager->handler ? lease_page_new_lasting(&manager->page, UNITS_MAX) :
                                  lease_page_new(&manager->page, UNITS_MAX);
}

int manager_make_client(Manager *manager, const ManagerConfig *config, char *problem, size_t problem_size)
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
        r = client_new(&manager->client, manager->event, &client, manager_on_client, manager, problem, problem_size);
        explicit_bzero(&session, sizeof(session));
        return r;
}

void manager_restore_timing(Manager *manager, const Saved *saved)
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
        int r = manager_make_member(manager, config, userdata, &member);

        *out = NULL;
        if (r < 0)
                return r;
        manager->gone = gone;
        manager->gone_userdata = gone_userdata;
        r = unit_restore(member->unit, saved);
        if (r < 0) {
                has_guard = unit_has_guard(member->unit);
                manager_free_member(member);
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
