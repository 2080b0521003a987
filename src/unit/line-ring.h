/* The last lines that a unit printed, in memory: whole lines, as many as fit into LINE_RING_MAX bytes. Room
 * is allocated as it is needed: a unit that prints nothing costs nothing. Where there is no memory lines are
 * forgotten earlier. Its owners share it by counting references: standard output and error of one unit, in
 * the order in which they were read. */
#pragma once

#include <stdint.h>
#include "util/text.h"

#define LINE_RING_MAX 65536

typedef struct LineRing LineRing;

LineRing *line_ring_new(void);
LineRing *line_ring_ref(LineRing *ring);
/* Returns NULL. */
LineRing *line_ring_unref(LineRing *ring);

/* A newline is put after it. */
void line_ring_add(LineRing *ring, const char *line, size_t len);
/* How many were ever added; or, in a program that has taken the place of another, what it was there. */
uint64_t line_ring_total(const LineRing *ring);
void line_ring_set_total(LineRing *ring, uint64_t total);
/* Appends the last N lines, oldest first, each with its newline; what is not UTF-8, and NUL, is a '?'.
 * Returns how many. */
size_t line_ring_tail(const LineRing *ring, size_t n, TextBuffer *text);
