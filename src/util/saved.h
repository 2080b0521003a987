/* The state of a process as text, for the program that takes its place by exec: lines "key value". A key says
 * with dots what is inside what ("unit.3.gate.claim.node"); a newline in a value is "%0A", a percent "%25". A key
 * that ends with '#' has a descriptor for its value, which stays open across the exec.
 *
 * The two programs may be of different versions: what is not known is passed over, what is missing has a
 * default, and a reader decides for itself what it cannot do without. A key never changes its meaning. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/macros.h"
#include "util/text.h"

#define SAVED_KEY_MAX 160

typedef struct SavedScope {
        char prefix[SAVED_KEY_MAX]; /* "unit.3." */
        size_t len;
} SavedScope;

/* To be zeroed before use. Failed allocations stick, and show at the end: saved_writer_failed(). */
typedef struct SavedWriter {
        TextBuffer text;
        SavedScope scope;
        int *fds;
        size_t n_fds;
        bool failed;
} SavedWriter;

void saved_writer_deinit(SavedWriter *writer);
bool saved_writer_failed(const SavedWriter *writer);
/* Keys are below NAME until saved_leave(). */
void saved_enter(SavedWriter *writer, const char *name, size_t index);
void saved_leave(SavedWriter *writer);
#define SAVED_NO_INDEX SIZE_MAX

/* VALUE NULL: the key is left out. */
void saved_put(SavedWriter *writer, const char *key, const char *value);
void saved_put_data(SavedWriter *writer, const char *key, const void *data, size_t len);
void saved_put_number(SavedWriter *writer, const char *key, uint64_t value);
void saved_put_signed(SavedWriter *writer, const char *key, int64_t value);
void saved_put_flag(SavedWriter *writer, const char *key, bool value);
/* FD is to stay open; below 0: left out. Stays the caller's until the exec. */
void saved_put_fd(SavedWriter *writer, const char *key, int fd);
/* Takes CLOEXEC off all descriptors that were put, or sets it again. Returns 0 or a negative errno. */
int saved_writer_keep_fds(const SavedWriter *writer, bool keep);

typedef struct SavedEntry {
        char *key, *value;
        size_t value_len;
        bool taken; /* a descriptor that somebody owns now */
} SavedEntry;

typedef struct Saved {
        char *text;
        SavedEntry *entries; /* sorted by key */
        size_t n;
        SavedScope scope;
} Saved;

/* Returns 0, -ENOMEM or -EBADMSG (a line that is none). */
int saved_parse(Saved *saved, const char *text, size_t len);
void saved_deinit(Saved *saved);
static inline void saved_deinit_cleanup(Saved *saved)
{
        saved_deinit(saved);
}

void saved_go_in(Saved *saved, const char *name, size_t index);
void saved_go_out(Saved *saved);
/* The value, owned by SAVED; NULL: there is none. */
const char *saved_get(const Saved *saved, const char *key);
/* Copies it; returns false, and leaves BUF alone, if there is none or it does not fit. */
bool saved_copy(const Saved *saved, const char *key, char *buf, size_t size);
uint64_t saved_get_number(const Saved *saved, const char *key, uint64_t otherwise);
int64_t saved_get_signed(const Saved *saved, const char *key, int64_t otherwise);
bool saved_get_flag(const Saved *saved, const char *key);
/* Index of the value among those that TO_STRING gives for 0 to N - 1; OTHERWISE if it is none of them. */
int saved_get_name(const Saved *saved, const char *key, const char *(*to_string)(int), int n, int otherwise);
/* The descriptor, the caller's from now on, with CLOEXEC; -1: there is none. */
int saved_take_fd(Saved *saved, const char *key);
/* Closes the descriptors that nobody has taken. Returns how many there were. */
size_t saved_close_rest(Saved *saved);
