/* Tables for people: columns as wide as what stands in them, colours and a bound on the width only on a
 * terminal. What comes from elsewhere may be printed: control characters and what is no UTF-8 become '?', so
 * that nobody's name or status text can move the cursor. Columns are counted for text as terminals show it,
 * wide and combining characters included. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "util/macros.h"

#define TABLE_COLUMNS_MAX 12

enum Colour {
        COLOUR_NONE,
        COLOUR_GOOD,
        COLOUR_BUSY, /* on its way, or waiting */
        COLOUR_BAD,
        COLOUR_DIM,
        COLOUR_BOLD,
};

/* How the output is written to. */
typedef struct Style {
        size_t width; /* columns; 0: no bound */
        bool colours;
} Style;

/* Of standard output: a terminal's width (or $COLUMNS), and colours unless $NO_COLOR is set or $TERM is
 * "dumb". */
Style style_of_stdout(void);
/* The sequences around text of this colour, "" without colours. */
const char *style_begin(const Style *style, enum Colour colour);
const char *style_end(const Style *style, enum Colour colour);

typedef struct Cell {
        char *text;
        enum Colour colour;
} Cell;

typedef struct Table {
        const char *const *headers; /* NULL: none are printed */
        size_t n_columns;
        size_t flexible; /* the column that is cut short first */
        const char *indent;
        Cell *cells;
        size_t n_cells;
        bool failed; /* out of memory */
} Table;

/* The next cell, row by row. */
void table_add(Table *table, enum Colour colour, const char *fmt, ...) PRINTF_LIKE(3, 4);
void table_print(const Table *table, const Style *style, FILE *file);
void table_deinit(Table *table);
static inline void table_deinit_cleanup(Table *table)
{
        table_deinit(table);
}

/* How many columns TEXT takes. */
size_t table_text_columns(const char *text);
/* What may be printed of TEXT, a new string; NULL when out of memory. */
char *table_clean_text(const char *text);

#define AGE_STRING_MAX 32
/* "3m ago" for a time since the epoch in microseconds, seen at NOW_USEC; "in 3m" if it is yet to come; "-"
 * for 0. Returns BUF. */
const char *age_to_string(uint64_t usec, uint64_t now_usec, char buf[AGE_STRING_MAX]);
