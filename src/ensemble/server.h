/* One ZooKeeper server as a child process: a Java in a process group of its own (the terminal's
 * Ctrl-C is for zksup, which then stops the servers in order), killed by the kernel when zksup
 * dies. Its output goes to a file. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

typedef struct ServerCommand {
        const char *java;      /* path of the program */
        const char *classpath;
} ServerCommand;

typedef struct Server {
        pid_t pid; /* 0: none */
        int fd;    /* pidfd, readable once it has ended */
        char *dir; /* zoo.cfg, server.log, data */
} Server;

void server_init(Server *server);
/* Kills it if it runs. Does not remove the directory. */
void server_deinit(Server *server);

/* Starts a server for DIR/zoo.cfg. Returns 0 or a negative errno. */
int server_start(Server *server, const ServerCommand *command, const char *dir);
/* Asks all N to end, waits for GRACE_USEC at most, kills the rest and reaps them. */
void server_stop_all(Server *servers, size_t n, uint64_t grace_usec);
/* Reaps a server that has ended, whose fd is readable. Returns the status of waitpid(). */
int server_reap(Server *server);
/* The last lines of its log that say something (stack frames and INFO left out), for the caller to
 * free; NULL if there are none. */
char *server_log_tail(const Server *server);
