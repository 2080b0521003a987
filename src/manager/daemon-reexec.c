/* zksup up hands over to another program: what of the daemon goes with the state, and what comes of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "manager/daemon-private.h"
#include "manager/notify.h"
#include "unit/descriptors.h"
#include "unit/spawn.h"
#include "util/log.h"

/* --- saving ------------------------------------------------------------------------------------- */

static void save_api(const Daemon *daemon, SavedWriter *w)
{
        int socket_fd = -1, listen_fd = -1;

        if (daemon->api)
                api_listening(daemon->api, &socket_fd, &listen_fd);
        saved_put_fd(w, "control", socket_fd);
        saved_put_fd(w, "listen", listen_fd);
}

static bool save(void *userdata, SavedWriter *w, char *obstacle, size_t size)
{
        const Daemon *daemon = userdata;

        /* the units first, as they can say it best */
        if (!fleet_save(daemon->fleet, w, obstacle, size) || !manager_save(daemon->manager, w, obstacle, size))
                return false;
        saved_put(w, "version", ZKSUP_VERSION);
        saved_put_number(w, "wire", WIRE_VERSION);
        saved_put_number(w, "started-usec", daemon->started_usec);
        saved_put_number(w, "reloads", daemon->reloads);
        saved_put_number(w, "failed-reloads", daemon->failed_reloads);
        saved_put_number(w, "reloaded-usec", daemon->reloaded_usec);
        reexec_save_signals(w, daemon->blocked, daemon->ignored);
        save_api(daemon, w);
        return true;
}

static void leave(void *userdata)
{
        Daemon *daemon = userdata;
        int socket_fd, listen_fd;

        log_notice("handing over to another program");
        if (daemon->api)
                api_keep(daemon->api, &socket_fd, &listen_fd);
        notify_put_back();
        descriptors_restore();
}

static void stay(void *userdata)
{
        Daemon *daemon = userdata;

        if (daemon->api)
                api_unkeep(daemon->api);
        notify_init();
        (void)descriptors_raise();
}

static void failed(void *userdata, const char *why)
{
        Daemon *daemon = userdata;

        log_write_fields(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_REEXEC_FAILED, .reason = why},
                "no other program takes over, everything goes on as it was: %s", why);
        if (daemon->api)
                api_tell_reexec_failed(daemon->api, why);
}

static const ReexecOps ops = {.save = save, .leave = leave, .stay = stay, .failed = failed};

/* The new program goes by the file, and must find there what runs. */
static int check_config(Daemon *daemon, char *problem, size_t size)
{
        CLEANUP(text_buffer_deinit) TextBuffer which = {0}, problems = {0};
        CLEANUP(config_free) Config *config = NULL;
        int r = config_load(&config, daemon->path, &problems);

        if (r < 0) {
                snprintf(problem, size, "%s has mistakes, which the new program could not pass over; see zksup check",
                        daemon->path);
                return -EBUSY;
        }
        daemon_override(daemon, &config->global);
        if (config_global_needs_restart(&daemon->config->global, &config->global, &which)) {
                snprintf(problem, size, "%s has changed in what only a new start can change: %.200s", daemon->path,
                        which.data ?: "");
                return -EBUSY;
        }
        if (!fleet_is_of(daemon->fleet, config)) {
                snprintf(problem, size, "%s has changed; zksup reload first", daemon->path);
                return -EBUSY;
        }
        return 0;
}

int daemon_reexec(Daemon *daemon, char *problem, size_t size)
{
        int r;

        if (manager_is_ending(daemon->manager)) {
                snprintf(problem, size, "zksup is stopping");
                return -EBUSY;
        }
        if (reexec_is_on(daemon->reexec)) {
                snprintf(problem, size, "another program is about to take over already");
                return -EBUSY;
        }
        r = check_config(daemon, problem, size);
        if (r < 0)
                return r;
        daemon->reexec = reexec_free(daemon->reexec);
        r = reexec_new(&daemon->reexec, manager_event(daemon->manager), manager_reaper(daemon->manager), &ops, daemon);
        if (r < 0)
                snprintf(problem, size, "cannot look for the program to execute: %s", strerror(-r));
        return r;
}

/* --- restoring ---------------------------------------------------------------------------------- */

void daemon_restore_api(Saved *saved, ApiConfig *config)
{
        config->socket_fd = config->socket ? saved_take_fd(saved, "control") : -1;
        config->socket_is_ours = config->socket_fd >= 0;
        config->listen_fd = config->listen ? saved_take_fd(saved, "listen") : -1;
}

void daemon_restore(Daemon *daemon, Saved *saved)
{
        size_t rest;

        daemon->started_usec = saved_get_number(saved, "started-usec", daemon->started_usec);
        daemon->reloads = saved_get_number(saved, "reloads", 0);
        daemon->failed_reloads = saved_get_number(saved, "failed-reloads", 0);
        daemon->reloaded_usec = saved_get_number(saved, "reloaded-usec", 0);
        rest = saved_close_rest(saved);
        if (rest)
                log_warning("%zu descriptors of the program before us are of no use: what used them is being stopped", rest);
        log_write_fields(LOG_LEVEL_NOTICE, &(LogFields){.event = LOG_EVENT_REEXECUTED},
                "zksup " ZKSUP_VERSION " goes on in place of %s", saved_get(saved, "version") ?: "another one");
}

int daemon_can_restore(const Saved *saved, const Config *config, char *problem, size_t size)
{
        Saved s = *saved;

        if (saved_get_number(&s, "wire", 0) != WIRE_VERSION) {
                snprintf(problem, size, "the guards that run speak version %u, this zksup %d: stop it and start it anew",
                        (unsigned)saved_get_number(&s, "wire", 0), WIRE_VERSION);
                return -EPROTO;
        }
        for (size_t i = 0; i < saved_get_number(saved, "units", 0); i++) {
                const char *name;

                saved_go_in(&s, "unit", i);
                name = saved_get(&s, "title");
                saved_go_out(&s);
                if (name && config_find(config, name))
                        continue;
                snprintf(problem, size, "unit '%s' runs, but is not in the configuration", name ?: "?");
                return -ENOENT;
        }
        return 0;
}
