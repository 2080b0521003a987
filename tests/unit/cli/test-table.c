/* Tables for people: widths, cutting short, and what must not reach a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cli/table.h"
#include "util/clock.h"

static char *print(const Table *table, const Style *style)
{
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        assert_non_null(file);
        table_print(table, style, file);
        fclose(file);
        return text;
}

static void assert_prints(const Table *table, const Style *style, const char *expected)
{
        CLEANUP_STRING text = print(table, style);

        assert_string_equal(text, expected);
}

static const char *const headers[] = {"A", "LONG", "TEXT"};

static void fill(Table *table, const char *a, const char *b, const char *c)
{
        table_add(table, COLOUR_NONE, "%s", a);
        table_add(table, COLOUR_NONE, "%s", b);
        table_add(table, COLOUR_NONE, "%s", c);
}

static void test_columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks(void **state)
{
        CLEANUP(table_deinit) Table table = {.headers = headers, .n_columns = 3, .flexible = 2};

        fill(&table, "abc", "x", "");
        fill(&table, "a", "", "t");
        assert_prints(&table, &(Style){0},
                "A    LONG  TEXT\n"
                "abc  x\n"
                "a          t\n");
}

static void test_the_flexible_column_is_cut_first_then_the_widest(void **state)
{
        CLEANUP(table_deinit) Table table = {.headers = headers, .n_columns = 3, .flexible = 2};

        fill(&table, "abc", "0123456789abcdef", "something that is rather long");
        assert_prints(&table, &(Style){.width = 40},
                "A    LONG              TEXT\n"
                "abc  0123456789abcdef  something that...\n");
        assert_prints(&table, &(Style){.width = 28},
                "A    LONG         TEXT\n"
                "abc  01234567...  somethi...\n");
}

static void test_wide_and_combining_characters_are_counted_as_terminals_show_them(void **state)
{
        CLEANUP(table_deinit) Table table = {.headers = NULL, .n_columns = 2, .flexible = 0};

        assert_int_equal(table_text_columns("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two ideographs */
        assert_int_equal(table_text_columns("e\xcc\x81"), 1);                /* e and a combining acute */
        assert_int_equal(table_text_columns("\xc3\xa4\xf0\x9f\x98\x80"), 3); /* a umlaut, a face */
        table_add(&table, COLOUR_NONE,
                "\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac");
        table_add(&table, COLOUR_NONE, "x");
        assert_prints(&table, &(Style){.width = 13},
                "\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5...   x\n"); /* half of one does not fit */
}

static void test_what_could_move_the_cursor_is_not_printed(void **state)
{
        static const struct {
                const char *text, *clean;
        } cases[] = {{"a\x1b[2Jb", "a?[2Jb"}, {"a\nb\rc\td", "a?b?c?d"}, {"\xff\xc3", "??"},
                {"\xc2\x9b"
                 "31m",
                        "?31m"}, /* CSI in one character */
                {"a\xe2\x80\xae"
                 "b",
                        "a?b"},          /* right-to-left override */
                {"\xed\xa0\x80", "???"}, /* a surrogate */
                {"\xc0\xaf", "??"},      /* overlong */
                {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"}, {"", ""}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CLEANUP_STRING clean = table_clean_text(cases[i].text);

                assert_string_equal(clean, cases[i].clean);
        }
}

static void test_colours_do_not_change_the_widths(void **state)
{
        CLEANUP(table_deinit) Table table = {.headers = NULL, .n_columns = 2, .flexible = 1};

        table_add(&table, COLOUR_GOOD, "ok");
        table_add(&table, COLOUR_NONE, "x");
        table_add(&table, COLOUR_NONE, "long");
        table_add(&table, COLOUR_NONE, "y");
        assert_prints(&table, &(Style){.colours = true}, "\x1b[32mok\x1b[0m    x\nlong  y\n");
        assert_prints(&table, &(Style){0}, "ok    x\nlong  y\n");
}

static void test_many_rows_are_kept_in_order(void **state)
{
        CLEANUP(table_deinit) Table table = {.headers = NULL, .n_columns = 1, .flexible = 0};
        CLEANUP_STRING text = NULL;
        char *p;

        for (int i = 0; i < 2000; i++)
                table_add(&table, COLOUR_NONE, "%d", i);
        p = text = print(&table, &(Style){0});
        for (int i = 0; i < 2000; i++)
                assert_int_equal(strtol(p, &p, 10), i);
}

static void test_ages(void **state)
{
        static const struct {
                uint64_t seconds;
                const char *text;
        } cases[] = {{0, "0s ago"}, {59, "59s ago"}, {60, "1m ago"}, {7199, "119m ago"}, {7200, "2h ago"},
                {172799, "47h ago"}, {172800, "2d ago"}};
        const uint64_t now = 10000000 * USEC_PER_SEC;
        char buf[AGE_STRING_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                assert_string_equal(
                        age_to_string(now - cases[i].seconds * USEC_PER_SEC, now, buf), cases[i].text);
        assert_string_equal(age_to_string(now + 90 * USEC_PER_SEC, now, buf), "in 1m");
        assert_string_equal(age_to_string(0, now, buf), "-");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks),
                cmocka_unit_test(test_the_flexible_column_is_cut_first_then_the_widest),
                cmocka_unit_test(test_wide_and_combining_characters_are_counted_as_terminals_show_them),
                cmocka_unit_test(test_what_could_move_the_cursor_is_not_printed),
                cmocka_unit_test(test_colours_do_not_change_the_widths),
                cmocka_unit_test(test_many_rows_are_kept_in_order),
                cmocka_unit_test(test_ages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
