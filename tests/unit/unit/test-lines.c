/* Lines cut from what comes in portions, and the last of them in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "unit/line-ring.h"
#include "unit/line-splitter.h"
#include "util/macros.h"
#include "util/random.h"

/* "line|" for each, with '<' before one that continues and '>' after one that is cut. */
static void note(void *userdata, const Line *line)
{
        TextBuffer *seen = userdata;

        text_buffer_puts(seen, line->continues ? "<" : "");
        text_buffer_append(seen, line->data, line->len);
        text_buffer_puts(seen, line->cut ? ">|" : "|");
}

static void feed(LineSplitter *splitter, const char *text, TextBuffer *seen)
{
        line_splitter_feed(splitter, text, strlen(text), note, seen);
}

static void lines_end_where_newlines_are_whatever_the_portions(void **state)
{
        static const char text[] = "one\n\nthree is longer\nlast";

        for (size_t portion = 1; portion < sizeof(text); portion++) {
                CLEANUP(text_buffer_deinit) TextBuffer seen = {0};
                LineSplitter splitter = {0};

                for (size_t at = 0; at < strlen(text); at += portion)
                        line_splitter_feed(
                                &splitter, text + at, MIN(portion, strlen(text) - at), note, &seen);
                assert_string_equal(seen.data, "one||three is longer|");
                line_splitter_flush(&splitter, note, &seen);
                line_splitter_flush(&splitter, note, &seen);
                assert_string_equal(seen.data, "one||three is longer|last|");
        }
}

/* N times C, and END after it. */
static char *many(char c, size_t n, const char *end)
{
        char *text = malloc(n + strlen(end) + 1);

        assert_non_null(text);
        memset(text, c, n);
        strcpy(text + n, end);
        return text;
}

static void a_line_of_the_greatest_length_is_not_cut(void **state)
{
        CLEANUP_STRING text = many('x', LINE_MAX_LENGTH, "\n");
        CLEANUP(text_buffer_deinit) TextBuffer seen = {0};
        LineSplitter splitter = {0};

        feed(&splitter, text, &seen);
        assert_null(strchr(seen.data, '>'));
        assert_int_equal(seen.len, LINE_MAX_LENGTH + 1);
}

static void a_longer_line_is_cut_into_parts_and_nothing_is_lost(void **state)
{
        CLEANUP_STRING text = many('x', 2 * LINE_MAX_LENGTH + 10, "end\nnext\n");

        for (size_t portion = 1000; portion < 40000; portion += 7777) {
                CLEANUP(text_buffer_deinit) TextBuffer seen = {0};
                LineSplitter splitter = {0};

                for (size_t at = 0; at < strlen(text); at += portion)
                        line_splitter_feed(
                                &splitter, text + at, MIN(portion, strlen(text) - at), note, &seen);
                assert_int_equal(splitter.len, 0);
                assert_int_equal(seen.len, strlen(text) + 2 * strlen(">|<"));
                assert_string_equal(
                        seen.data + seen.len - strlen("<xxxxxxxxxxend|next|"), "<xxxxxxxxxxend|next|");
                line_splitter_deinit(&splitter);
        }
}

static void a_line_is_not_cut_inside_a_character(void **state)
{
        for (size_t shift = 0; shift < 4; shift++) {
                CLEANUP_STRING text = many('x', LINE_MAX_LENGTH - shift, "\xF0\x9F\x90\xA2\xC3\xA4\n");

                for (size_t portion = 999; portion < 20000; portion += 19000) {
                        CLEANUP(text_buffer_deinit) TextBuffer seen = {0};
                        LineSplitter splitter = {0};
                        const char *cut;

                        for (size_t at = 0; at < strlen(text); at += portion)
                                line_splitter_feed(
                                        &splitter, text + at, MIN(portion, strlen(text) - at), note, &seen);
                        cut = strstr(seen.data, ">|<");
                        assert_non_null(cut);
                        assert_int_equal((unsigned char)cut[-1], 'x');
                        assert_int_equal((unsigned char)cut[3], 0xF0);
                }
        }
}

/* What is not UTF-8 at all is cut somewhere, and still nothing is lost. */
static void bytes_that_are_no_characters_are_cut_as_well(void **state)
{
        CLEANUP_STRING text = many((char)0x80, LINE_MAX_LENGTH + 5, "\n");
        CLEANUP(text_buffer_deinit) TextBuffer seen = {0};
        LineSplitter splitter = {0};

        feed(&splitter, text, &seen);
        assert_int_equal(seen.len, LINE_MAX_LENGTH + 5 + 4);
}

/* --- the ring ----------------------------------------------------------------------------------- */

static void add(LineRing *ring, const char *line)
{
        line_ring_add(ring, line, strlen(line));
}

static void the_tail_is_the_last_lines_oldest_first(void **state)
{
        CLEANUP(text_buffer_deinit) TextBuffer text = {0};
        LineRing *ring = line_ring_new();

        assert_int_equal(line_ring_tail(ring, 10, &text), 0);
        add(ring, "one");
        add(ring, "");
        add(ring, "three");
        assert_int_equal(line_ring_tail(ring, 2, &text), 2);
        assert_string_equal(text.data, "\nthree\n");
        text.len = 0;
        assert_int_equal(line_ring_tail(ring, SIZE_MAX, &text), 3);
        assert_string_equal(text.data, "one\n\nthree\n");
        assert_int_equal(line_ring_tail(ring, 0, &text), 0);
        assert_int_equal(line_ring_total(ring), 3);
        line_ring_unref(ring);
}

static void the_tail_is_text_whatever_was_printed(void **state)
{
        CLEANUP(text_buffer_deinit) TextBuffer text = {0};
        LineRing *ring = line_ring_new();

        line_ring_add(ring, "a\0b\xFF\xC3\xA4\xC0\xAF\xED\xA0\x80\xE2\x82", 13);
        assert_int_equal(line_ring_tail(ring, 1, &text), 1);
        assert_string_equal(text.data, "a?b?\xC3\xA4???????\n");
        line_ring_unref(ring);
}

/* Against a plain list of all lines: what is kept is a suffix of it, and nearly as much as there is room for.
 */
static void any_lines_leave_the_newest_that_fit(void **state)
{
        CLEANUP(text_buffer_deinit) TextBuffer all = {0};
        LineRing *ring = line_ring_new();
        Random random;

        random_init(&random, 7);
        for (unsigned i = 0; i < 3000; i++) {
                CLEANUP(text_buffer_deinit) TextBuffer tail = {0};
                size_t len = random_below(&random, i % 100 == 0 ? LINE_MAX_LENGTH : 120);
                CLEANUP_STRING line = many((char)('a' + i % 26), len, "");

                add(ring, line);
                text_buffer_printf(&all, "%s\n", line);
                if (i % 37)
                        continue;
                line_ring_tail(ring, SIZE_MAX, &tail);
                assert_true(tail.len <= LINE_RING_MAX);
                assert_true(tail.len == all.len || tail.len > LINE_RING_MAX - LINE_MAX_LENGTH - 1);
                assert_memory_equal(tail.data, all.data + all.len - tail.len, tail.len);
        }
        assert_int_equal(line_ring_total(ring), 3000);
        line_ring_unref(ring);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_end_where_newlines_are_whatever_the_portions),
                cmocka_unit_test(a_line_of_the_greatest_length_is_not_cut),
                cmocka_unit_test(a_longer_line_is_cut_into_parts_and_nothing_is_lost),
                cmocka_unit_test(a_line_is_not_cut_inside_a_character),
                cmocka_unit_test(bytes_that_are_no_characters_are_cut_as_well),
                cmocka_unit_test(the_tail_is_the_last_lines_oldest_first),
                cmocka_unit_test(the_tail_is_text_whatever_was_printed),
                cmocka_unit_test(any_lines_leave_the_newest_that_fit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
