/* What a command prints, cut into lines. It comes in portions that end anywhere: the beginning of a line is
 * held until its end comes. A line longer than LINE_MAX_LENGTH is handed on in parts, between characters of
 * UTF-8, so that what is held is bounded. Nothing is allocated as long as portions end with a newline. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LINE_MAX_LENGTH 16384

typedef struct Line {
        const char *data; /* without the newline */
        size_t len;
        bool continues; /* the part before it was cut */
        bool cut;       /* more of it follows */
} Line;

typedef void (*LineHandler)(void *userdata, const Line *line);

/* All zero: nothing held. */
typedef struct LineSplitter {
        char *held;
        size_t len, room;
        bool continues;
} LineSplitter;

void line_splitter_feed(
        LineSplitter *splitter, const char *data, size_t len, LineHandler handler, void *userdata);
/* What has no end ends here. */
void line_splitter_flush(LineSplitter *splitter, LineHandler handler, void *userdata);
void line_splitter_deinit(LineSplitter *splitter);
