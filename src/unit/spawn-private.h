/* The struct of a spawn, for spawn.c and for spawn-adopt.c, which hands it to another program. */
#pragma once

#include "guard/service-group.h"
#include "unit/spawn.h"

/* The life of a guard: alive -> (stopped: we kill it) -> dead, then, if it was not us who ended it or
 * a run was on, the tree is killed from here until it is proved empty. */
struct Spawn {
        sd_event *event;
        Reaper *reaper;
        LeasePage *page;
        SpawnHandler handler;
        void *userdata;

        ReaperWatch watch;
        ReaperWatch care; /* after the end of the guard, while its tree is not proved empty */
        int socket_fd;
        sd_event_source *io, *timer;
        unsigned slot;
        char *cgroup;
        int kill_fd, events_fd;
        ServiceGroup service;
        int tty_fd; /* -1: not in terminal mode */
        uint64_t blocked, ignored;

        enum ContainMode contain;
        pid_t pid;
        bool ready, running, lost, dead;
        bool over;  /* the guard is dead and its tree proved empty */
        bool freed; /* by its owner: no events, gone when the guard and its tree are */
        unsigned in_handler;
};

extern unsigned spawn_private_serial;

void spawn_private_free(Spawn *s);
int spawn_private_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);
int spawn_private_on_timer(sd_event_source *source, uint64_t usec, void *userdata);
void spawn_private_on_guard(ReaperWatch *watch, int code, int status);
uint64_t spawn_private_signal_bits(const sigset_t *set);
