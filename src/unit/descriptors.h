/* Descriptors: how many this process may have open. A supervisor of a thousand units needs some thousands, so it
 * raises the soft limit to the hard one; its commands start with what it was itself started with, as many
 * programs close, or reserve memory for, as many as the limit says. */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

/* Raises the soft limit. Twice is safe. Returns 0 or a negative errno. */
int descriptors_raise(void);
/* Puts it back, before another program is executed in this process. */
void descriptors_restore(void);
/* Whether it was raised; *original then is what it was. */
bool descriptors_original(struct rlimit *original);
