/* The receiving end of sd_notify: a datagram socket in a directory of our own, and what the lines
 * of a datagram mean here. Internal to readiness.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NOTIFY_STATUS_MAX 256

enum NotifyWord {
        NOTIFY_WORD_NONE, /* nothing for us: MAINPID=, WATCHDOG=1, FDSTORE=1, ... */
        NOTIFY_WORD_READY,
        NOTIFY_WORD_RELOADING,
        NOTIFY_WORD_STOPPING,
        NOTIFY_WORD_STATUS,
};

typedef struct NotifySocket {
        int fd;
        char *directory, *env; /* env: "NOTIFY_SOCKET=" and the path */
} NotifySocket;

/* Returns 0 or a negative errno. */
int readiness_notify_socket_init(NotifySocket *s);
/* Removes socket and directory. Twice is safe. */
/* In place of what S is: the socket FD in DIRECTORY, which is copied. FD is ours from now on, in every case. Returns 0 or -ENOMEM. */
int readiness_notify_socket_take(NotifySocket *s, const char *directory, int fd);
void readiness_notify_socket_deinit(NotifySocket *s);
/* Reads one datagram into BUF, NUL-terminated. Returns its length, 0 for one that does not count
 * (empty, too long, of a foreign user), or a negative errno (-EAGAIN: none is left). */
int readiness_notify_socket_read(NotifySocket *s, char *buf, size_t size);

/* Takes the first line off *TEXT, NUL-terminating it, and classifies it. STATUS, if that is what it
 * was, is its text with control characters made blanks. Returns false at the end of the text. */
bool readiness_notify_next_word(char **text, enum NotifyWord *word, char status[NOTIFY_STATUS_MAX]);
