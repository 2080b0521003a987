/* Our own standard output or error, for the lines of commands. It may be a pipe that nobody empties, or a
 * terminal stopped with ^S, and is never waited for. Its flags are shared with whoever else has it open (the
 * shell, for one), so that O_NONBLOCK is not for us to set: a pipe or a terminal is opened anew instead,
 * through /proc; a socket is written to with MSG_DONTWAIT; and where neither can be done, poll is asked
 * before each small write.
 *
 * What does not fit is kept, and written once there is room. While it is kept nobody should read more
 * lines (own_stream_is_full), so that a burst is not lost on a reader that is merely slow. After a second of
 * this the reader counts as stuck: lines are dropped, and counted, until all that is kept is written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "unit/waiter.h"

typedef struct OwnStream OwnStream;

/* One for each of 1 and 2. PRIORITY: of its event source. Returns 0 or a negative errno. */
int own_stream_get(OwnStream **out, sd_event *event, int fd, int64_t priority);
/* Returns NULL. */
OwnStream *own_stream_put(OwnStream *stream);

/* Whole lines, LINES of them. Returns false if they are dropped. */
bool own_stream_write(OwnStream *stream, const char *data, size_t len, uint64_t lines);
/* Wait before you read more: resume() is called once there is room, or the reader counts as stuck. */
bool own_stream_is_full(const OwnStream *stream);

void own_stream_wait(OwnStream *stream, Waiter *waiter);
