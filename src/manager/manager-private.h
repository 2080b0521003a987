/* The struct of the supervisor, and what its files do for each other. manager.c: units, the end, life; manager-session.c: what
 * the ensemble says; manager-signal.c: what signals mean; manager-save.c: another program in our place. */
#pragma once

#include "manager/manager.h"
#include "manager/orphan.h"

#define for_each_member(m, manager)                                                                          \
        list_for_each(m##_link, &(manager)->members)                                                         \
                for (Member *m = list_entry(m##_link, Member, link); m; m = NULL)
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

void manager_tell(Manager *manager, ManagerNews news);
/* The loop ends once there is nothing left to do. */
void manager_maybe_exit(Manager *manager);
/* No ensemble, refused, ...: what waits is told so, what runs is stopped. STATUS of the table. */
void manager_give_up(Manager *manager, int status);
void manager_begin_all(Manager *manager);
/* A member with its unit, which has its timing. Returns 0 or a negative errno. */
int manager_make_member(Manager *manager, const UnitConfig *config, void *userdata, Member **out);
void manager_free_member(Member *member);

void manager_on_client(void *userdata, const ClientEvent *event);
/* The lines about a missing ensemble become rarer, and stop with the contact. */
void manager_begin_to_complain(Manager *manager);
void manager_on_complaint(void *userdata);

int manager_add_signals(Manager *manager);

/* SAVED: what the program before us had; NULL: nothing. */
int manager_make_page(Manager *manager, Saved *saved);
int manager_make_client(Manager *manager, const ManagerConfig *config, char *problem, size_t problem_size);
/* What was granted, so that leases go on running out as before until there is contact. */
void manager_restore_timing(Manager *manager, const Saved *saved);
