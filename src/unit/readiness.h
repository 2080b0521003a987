/* Readiness: how zksup learns that a started command can do its work. One object per unit, used for
 * run after run: readiness_start() just before the command is started (no process of the unit is
 * there then, so whatever lies in the socket or the pipe is of an earlier run and is thrown away),
 * readiness_stop() when it is being stopped.
 *
 *   none           ready once started
 *   notify         READY=1 to $NOTIFY_SOCKET (sd_notify); RELOADING=1, STOPPING=1 and STATUS= are
 *                  heard, MAINPID= and WATCHDOG=1 taken and ignored. The socket lies in a directory of
 *                  our own; datagrams of other users than the command's (or root's) are dropped
 *   fd:N           a newline on descriptor N (the s6 convention)
 *   tcp:[HOST:]PORT     a connection is accepted
 *   http://HOST[:PORT]/PATH   GET is answered with 2xx; plain HTTP. Also written http:URL
 *   exec:PATH ARGS...   the program exits with 0; split at blanks, never given to a shell. It runs in
 *                  a process group of its own, which is killed when the probe ends or is stopped
 *
 * Probes (tcp, http, exec) are repeated until the first success and then end: readiness is not a
 * health check. HOST is a numeric address or localhost, because the resolver would block the loop.
 * How long readiness may take is the unit machine's affair; each single probe has its own limit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "unit/reaper.h"
#include "util/macros.h"
#include "util/saved.h"

enum ReadinessKind {
        READINESS_NONE,
        READINESS_NOTIFY,
        READINESS_FD,
        READINESS_TCP,
        READINESS_HTTP,
        READINESS_EXEC,
};

#define READINESS_ARGS_MAX 32
#define READINESS_HOST_MAX 64

typedef struct ReadinessConfig {
        enum ReadinessKind kind;
        int fd;
        uint16_t port;
        char host[READINESS_HOST_MAX]; /* numeric address */
        char *path;                    /* http: path and query */
        char *words;                   /* exec: what argv points into */
        char *argv[READINESS_ARGS_MAX + 1];
        uint64_t interval_usec; /* between probes; 0: 100 ms */
        uint64_t probe_usec;    /* limit of a single probe; 0: 2 s */
} ReadinessConfig;

enum ReadinessEventType {
        READINESS_READY,
        READINESS_LOST,   /* RELOADING=1 or STOPPING=1 after READY */
        READINESS_STATUS, /* .text of STATUS=, made printable */
};

typedef struct ReadinessEvent {
        enum ReadinessEventType type;
        const char *text; /* valid during the call */
} ReadinessEvent;

typedef struct Readiness Readiness;
/* May call any function here but readiness_free(). */
typedef void (*ReadinessHandler)(Readiness *readiness, const ReadinessEvent *event, void *userdata);

/* Parses TEXT. Returns 0, or a negative errno with PROBLEM saying what is wrong with it and what would
 * be right. CONFIG must be zeroed or hold an earlier result, which is freed; after success it is to be
 * freed with readiness_config_deinit(). On failure it is as before. */
int readiness_parse(const char *text, ReadinessConfig *config, char *problem, size_t problem_size);
void readiness_config_deinit(ReadinessConfig *config);

/* CONFIG must outlive the object. REAPER may be NULL unless the kind is exec. Makes the socket or the
 * pipe. Returns 0 or a negative errno. */
int readiness_new(Readiness **out, sd_event *event, Reaper *reaper, const ReadinessConfig *config,
        ReadinessHandler handler, void *userdata);
Readiness *readiness_free(Readiness *readiness);
CLEANUP_DEFINE(Readiness, readiness_free);

/* The handler is not called from within. Returns 0 or a negative errno. */
int readiness_start(Readiness *readiness);
/* Twice is safe; no event comes after it. */
void readiness_stop(Readiness *readiness);

/* For a program that takes our place. */
void readiness_save(const Readiness *readiness, SavedWriter *writer);
/* Into one that was just made of the same configuration: the socket or the pipe that the command has, and between start and
 * stop it waits on, or knows that it is ready. What was sent meanwhile is heard; a probe begins anew. Returns 0 or a negative errno. */
int readiness_restore(Readiness *readiness, sd_event *event, Saved *saved);

/* "NOTIFY_SOCKET=..." for the command's environment, or NULL. Owned by READINESS. */
const char *readiness_env(const Readiness *readiness);
/* The descriptor that must arrive in the command as CONFIG's fd, or -1. Owned by READINESS. */
int readiness_pass_fd(const Readiness *readiness);
