/* Where the standard output (or error) of a command goes.
 *
 *   inherit   to that of zksup itself, line by line, each with "UNIT: " before it
 *   journal   straight to the journal, with the unit's name as SYSLOG_IDENTIFIER; inherit where there is none
 *   file      appended to a file, which is rotated: FILE, FILE.1, ... FILE.KEEP
 *   null      nowhere
 *   direct    zksup's own descriptor, untouched (what zksup run and its like do)
 *
 * For inherit and file the command writes into a pipe that zksup reads, never so much at a time that the
 * loop is held up. What cannot be written (disk full, a reader of ours that is stuck) is dropped and
 * counted: the command is never blocked for longer than it takes us to read, or a second if our reader is
 * slow, and never sees an error. The last lines are kept in memory for `zksup logs`.
 *
 * The pipe stays for all runs of the command, and we hold both of its ends: it has no end of file, so that
 * nothing waits for a descendant that has kept it. It is read after everything else that the loop has to do,
 * in portions, so that a command that never stops printing takes the time that is left. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "util/macros.h"
#include "util/saved.h"
#include "util/text.h"

enum OutputKind {
        OUTPUT_DIRECT,
        OUTPUT_INHERIT,
        OUTPUT_JOURNAL,
        OUTPUT_FILE,
        OUTPUT_NULL,
};

typedef struct OutputConfig {
        enum OutputKind kind;
        const char *path;      /* file: absolute */
        uint64_t rotate_bytes; /* 0: never */
        unsigned rotate_keep;  /* old files kept */
} OutputConfig;

typedef struct Output Output;

/* UNIT names the lines; PRIORITY is that of the journal entries (LOG_INFO, LOG_ERR); TO is our own descriptor
 * for inherit and direct (1 or 2). The names in CONFIG are copied. Returns 0 or a negative errno: a file that
 * cannot be opened is not one of them, it is said in the log and tried again. */
int output_new(
        Output **out, sd_event *event, const OutputConfig *config, const char *unit, int priority, int to);
/* What was read but not written is written first, if that takes no waiting. */
Output *output_free(Output *output);
CLEANUP_DEFINE(Output, output_free);

/* The descriptor for the command, valid as long as OUTPUT; -1: leave ours. */
int output_fd(const Output *output);
/* What it is made to be: not so where there is no journal. */
bool output_is_journal(const Output *output);
/* After somebody else has moved the file away. */
void output_reopen(Output *output);

typedef struct OutputStatistics {
        uint64_t lines, bytes;                            /* read; a part of a long line is one */
        uint64_t dropped_lines, dropped_bytes, rotations; /* with a file: of all who write to it */
} OutputStatistics;

void output_statistics(const Output *output, OutputStatistics *statistics);
/* A run has ended: reads what is in the pipe, no more than it can hold, and ends a line without newline. */
void output_end_run(Output *output);
/* Waits until what was read is in its file, but not for longer. */
void output_sync(Output *output, uint64_t timeout_usec);
/* Both keep their last lines in one memory from now on, that of OUTPUT, in the order of reading. */
void output_join(Output *output, Output *other);
/* The last N lines that are kept in memory, oldest first, each ended by a newline. Returns how many. */
size_t output_tail(const Output *output, size_t n, TextBuffer *text);
/* How many lines were ever added to that memory: what is new since somebody looked is the difference. */
uint64_t output_total(const Output *output);

/* For a new program in our place: the pipe, what was counted, the last lines. OUTPUT goes on. What is on its way
 * to a file is not in it, see log_file_settle(). */
void output_save(const Output *output, SavedWriter *writer);
/* Of a new OUTPUT, which has the pipe of its predecessor from now on, if that had one. Where OUTPUT is of a
 * kind that needs none, what comes out of it is inherited: the command that runs writes there. Returns 0 or a
 * negative errno. */
int output_restore(Output *output, Saved *saved);
