#include "cli/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include "util/clock.h"
#include "util/text.h"

#define GAP 2
#define FLEXIBLE_MIN 10
#define OTHERS_MIN 6
#define ELLIPSIS "..."
#define ROOM 256 /* cells at a time */

Style style_of_stdout(void)
{
        const char *columns = getenv("COLUMNS"), *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        Style style = {0};
        struct winsize size;
        uint64_t width;

        if (!isatty(STDOUT_FILENO))
                return style;
        if (columns && text_to_u64(columns, 1, 10000, &width) == 0)
                style.width = width;
        else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
                style.width = size.ws_col;
        style.colours = !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
        return style;
}

const char *style_begin(const Style *style, enum Colour colour)
{
        if (!style->colours)
                return "";
        switch (colour) {
        case COLOUR_NONE:
                return "";
        case COLOUR_GOOD:
                return "\x1b[32m";
        case COLOUR_BUSY:
                return "\x1b[33m";
        case COLOUR_BAD:
                return "\x1b[1;31m";
        case COLOUR_DIM:
                return "\x1b[2m";
        case COLOUR_BOLD:
                return "\x1b[1m";
        }
        return "";
}

const char *style_end(const Style *style, enum Colour colour)
{
        return style->colours && colour != COLOUR_NONE ? "\x1b[0m" : "";
}

/* --- characters --------------------------------------------------------------------------------- */

/* The length of the character that TEXT begins with, 0 if that is none (RFC 3629). *CODE is its number. */
static size_t decode(const unsigned char *text, uint32_t *code)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = text[0] < 0x80       ? 1
                   : text[0] >> 5 == 6  ? 2
                   : text[0] >> 4 == 14 ? 3
                   : text[0] >> 3 == 30 ? 4
                                        : 0;

        if (n == 0)
                return 0;
        *code = n == 1 ? text[0] : text[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                *code = *code << 6 | (text[i] & 0x3f);
        }
        return *code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : n;
}

static bool is_within(uint32_t code, const uint32_t ranges[][2], size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (code >= ranges[i][0] && code <= ranges[i][1])
                        return true;
        return false;
}

/* As most terminals do it (Unicode's East Asian Width, and combining marks), without asking the locale: that
 * may be "C" where the terminal shows UTF-8. */
static size_t columns_of(uint32_t code)
{
        static const uint32_t wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf},
                {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6},
                {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
        static const uint32_t none[][2] = {{0x300, 0x36f}, {0x483, 0x489}, {0x591, 0x5bd}, {0x610, 0x61a},
                {0x64b, 0x65f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x20d0, 0x20ff},
                {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};

        if (code < 0x300)
                return 1; /* nearly always */
        if (is_within(code, none, ARRAY_SIZE(none)))
                return 0;
        return is_within(code, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

/* Besides the control characters those that change the direction of what follows. */
static bool is_harmless(uint32_t code)
{
        static const uint32_t bad[][2] = {
                {0, 0x1f}, {0x7f, 0x9f}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};

        return (code >= 0x20 && code < 0x7f) || !is_within(code, bad, ARRAY_SIZE(bad));
}

char *table_clean_text(const char *text)
{
        TextBuffer clean = {0};
        uint32_t code;

        text_buffer_puts(&clean, "");
        while (*text) {
                size_t n = decode((const unsigned char *)text, &code);

                if (n && is_harmless(code))
                        text_buffer_append(&clean, text, n);
                else
                        text_buffer_puts(&clean, "?");
                text += n ? n : 1;
        }
        return text_buffer_take(&clean);
}

size_t table_text_columns(const char *text)
{
        size_t columns = 0;
        uint32_t code;

        while (*text) {
                size_t n = decode((const unsigned char *)text, &code);

                columns += n ? columns_of(code) : 1;
                text += n ? n : 1;
        }
        return columns;
}

/* Prints TEXT within WIDTH columns. */
static void print_within(const char *text, size_t width, FILE *file)
{
        size_t columns = table_text_columns(text), used = 0,
               room = columns > width ? width - strlen(ELLIPSIS) : width;
        uint32_t code;

        while (*text) {
                size_t n = decode((const unsigned char *)text, &code), c = n ? columns_of(code) : 1;

                if (used + c > room)
                        break;
                fwrite(text, 1, n ? n : 1, file);
                used += c;
                text += n ? n : 1;
        }
        if (columns > width)
                fprintf(file, "%s%*s", ELLIPSIS, (int)(room - used), ""); /* a wide one may not have fitted */
}

/* --- the table ---------------------------------------------------------------------------------- */

void table_add(Table *table, enum Colour colour, const char *fmt, ...)
{
        CLEANUP_STRING text = NULL;
        Cell *cells = table->cells;
        va_list ap;
        int n;

        if (table->n_cells % ROOM == 0) {
                cells = reallocarray(cells, table->n_cells + ROOM, sizeof(*cells));
                if (!cells) {
                        table->failed = true;
                        return;
                }
                table->cells = cells;
        }
        va_start(ap, fmt);
        n = vasprintf(&text, fmt, ap);
        va_end(ap);
        if (n < 0)
                text = NULL;
        cells[table->n_cells] = (Cell){.text = text ? table_clean_text(text) : NULL, .colour = colour};
        if (!cells[table->n_cells].text)
                table->failed = true;
        table->n_cells++;
}

void table_deinit(Table *table)
{
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
        *table = (Table){0};
}

static void measure(const Table *table, size_t widths[TABLE_COLUMNS_MAX])
{
        for (size_t i = 0; i < table->n_columns; i++)
                widths[i] = table->headers ? table_text_columns(table->headers[i]) : 0;
        for (size_t i = 0; i < table->n_cells; i++) {
                size_t columns = table_text_columns(table->cells[i].text);

                widths[i % table->n_columns] = MAX(widths[i % table->n_columns], columns);
        }
}

/* Takes away TOO_MUCH columns: from the flexible one first, then from whichever is the widest. */
static void shrink(const Table *table, size_t widths[TABLE_COLUMNS_MAX], size_t too_much)
{
        size_t *flexible = &widths[table->flexible];
        size_t give = *flexible > FLEXIBLE_MIN ? MIN(*flexible - FLEXIBLE_MIN, too_much) : 0;

        *flexible -= give;
        for (too_much -= give; too_much > 0; too_much--) {
                size_t *widest = &widths[0];

                for (size_t i = 1; i < table->n_columns; i++)
                        if (widths[i] > *widest)
                                widest = &widths[i];
                if (*widest <= OTHERS_MIN)
                        return; /* the terminal breaks the lines */
                (*widest)--;
        }
}

static void print_row(
        const Table *table, const Cell *cells, const size_t *widths, const Style *style, FILE *file)
{
        size_t last = table->n_columns - 1;

        while (last > 0 && cells[last].text[0] == '\0')
                last--; /* no blanks at the end of a line */
        fputs(table->indent ? table->indent : "", file);
        for (size_t i = 0; i <= last; i++) {
                fputs(style_begin(style, cells[i].colour), file);
                print_within(cells[i].text, widths[i], file);
                fputs(style_end(style, cells[i].colour), file);
                if (i < last)
                        fprintf(file, "%*s",
                                (int)(GAP + widths[i] - MIN(widths[i], table_text_columns(cells[i].text))),
                                "");
        }
        fputc('\n', file);
}

void table_print(const Table *table, const Style *style, FILE *file)
{
        size_t widths[TABLE_COLUMNS_MAX], total = table->indent ? strlen(table->indent) : 0;

        if (table->failed)
                return;
        measure(table, widths);
        for (size_t i = 0; i < table->n_columns; i++)
                total += widths[i] + (i ? GAP : 0);
        if (style->width && total > style->width)
                shrink(table, widths, total - style->width);
        if (table->headers) {
                Cell headers[TABLE_COLUMNS_MAX];

                for (size_t i = 0; i < table->n_columns; i++)
                        headers[i] = (Cell){.text = (char *)table->headers[i], .colour = COLOUR_BOLD};
                print_row(table, headers, widths, style, file);
        }
        for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
                print_row(table, &table->cells[i], widths, style, file);
}

const char *age_to_string(uint64_t usec, uint64_t now_usec, char buf[AGE_STRING_MAX])
{
        static const struct {
                uint64_t seconds;
                char unit;
        } units[] = {{2 * 86400, 'd'}, {2 * 3600, 'h'}, {60, 'm'}, {0, 's'}};
        static const uint64_t one[] = {86400, 3600, 60, 1};
        bool ahead = usec > now_usec;
        uint64_t seconds = (ahead ? usec - now_usec : now_usec - usec) / USEC_PER_SEC;
        size_t i = 0;

        if (usec == 0)
                return strcpy(buf, "-");
        while (seconds < units[i].seconds)
                i++;
        snprintf(buf, AGE_STRING_MAX, ahead ? "in %" PRIu64 "%c" : "%" PRIu64 "%c ago", seconds / one[i],
                units[i].unit);
        return buf;
}
