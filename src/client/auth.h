/* The credentials of --auth-file: one line, "user:password" or "digest:user:password". They come
 * from a file because everybody can read a command line. */
#pragma once

#include <stddef.h>

typedef struct Auth {
        char *scheme; /* "digest" */
        char *cert;   /* "user:password" */
} Auth;

/* Returns 0, or a negative errno with a sentence in PROBLEM (-EINVAL: the content). A file that
 * others than its owner can read is accepted, with a warning in the log. */
int auth_read(Auth *auth, const char *path, char *problem, size_t problem_size);
/* Wipes the password. */
void auth_deinit(Auth *auth);
static inline void auth_deinit_cleanup(Auth *auth)
{
        auth_deinit(auth);
}
