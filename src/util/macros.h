/* Small macros that every directory uses: scope cleanup, array length, container_of.
 * Cleanup functions are declared with CLEANUP_DEFINE(Type, type_free) and used as
 * CLEANUP(type_free) Type *x = NULL; a constructor builds into such a local and hands it over
 * with TAKE(x) in its last line. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define CLEANUP(fn) __attribute__((cleanup(fn##_cleanup)))
#define CLEANUP_DEFINE(type, fn)                                                                             \
        static inline void fn##_cleanup(type **p)                                                            \
        {                                                                                                    \
                if (*p)                                                                                      \
                        fn(*p);                                                                              \
        }                                                                                                    \
        struct fn##_cleanup_needs_a_semicolon
#define TAKE(p)                                                                                              \
        ({                                                                                                   \
                __typeof__(p) taken_ = (p);                                                                  \
                (p) = NULL;                                                                                  \
                taken_;                                                                                      \
        })

CLEANUP_DEFINE(char, free);
#define CLEANUP_STRING CLEANUP(free) char *

static inline void fd_cleanup(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}
/* A descriptor that is closed at the end of the scope; set it to -1 to hand it over. */
#define CLEANUP_FD __attribute__((cleanup(fd_cleanup))) int

#define TAKE_FD(fd)                                                                                          \
        ({                                                                                                   \
                int taken_ = (fd);                                                                           \
                (fd) = -1;                                                                                   \
                taken_;                                                                                      \
        })

static inline int fd_close(int fd)
{
        if (fd >= 0)
                close(fd);
        return -1;
}
