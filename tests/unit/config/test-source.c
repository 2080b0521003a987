#include "fixture.h"

#include "config/source.h"

static char *prepare(const char *text, bool good, const char *wanted)
{
        char *copy = strdup(text);
        Problems problems = {0};
        TextBuffer out = {0};

        assert_int_equal(source_prepare(copy, strlen(text), "f", &problems), good);
        problems_to_text(&problems, &out);
        assert_string_equal(out.data ?: "", wanted);
        text_buffer_deinit(&out);
        problems_deinit(&problems);
        source_unmask(copy);
        return copy;
}

static void becomes(const char *text, const char *wanted)
{
        char *got = prepare(text, true, "");

        assert_string_equal(got, wanted);
        free(got);
}

static void is_told(const char *text, bool good, const char *problem)
{
        free(prepare(text, good, problem));
}

static void comments_are_blanked_and_lines_stay(void **state)
{
        becomes("a = b # c \"\nd", "a = b      \nd");
        becomes("a // b\nc", "a     \nc");
        becomes("a /* b\n * c */ d", "a     \n        d");
        becomes("/**/x", "    x");
}

static void what_is_in_strings_and_words_is_no_comment(void **state)
{
        becomes("\"# // /* */\" '# \"' x", "\"# // /* */\" '# \"' x");
        becomes("\"a\\\"#\" 'a\\'#'", "\"a\\\"#\" 'a\\'#'");
        becomes("http://a/b x//y", "http://a/b x//y");
        becomes("a='x'//y\n", "a='x'   \n");
}

static void dollars_are_hidden_from_the_parser(void **state)
{
        char text[] = "a = ${B} \"${C}\" $";
        Problems problems = {0};

        assert_true(source_prepare(text, strlen(text), "f", &problems));
        assert_null(strpbrk(text + 4, "$"));
        assert_null(memchr(text + 4, '{', 4));
        assert_true(source_is("${B}", (char[]){text[4], text[5], text[6], text[7], '\0'}));
        assert_false(source_is("${C}", (char[]){text[4], text[5], text[6], text[7], '\0'}));
        source_unmask(text);
        assert_string_equal(text, "a = ${B} \"${C}\" $");
        problems_deinit(&problems);
}

static void what_has_no_end_is_told_where_it_begins(void **state)
{
        is_told("a = \"b\n\nc", true, "f:1: the string that begins here has no end; write \"\n");
        is_told("\n'b\\'", true, "f:2: the string that begins here has no end; write '\n");
        is_told("\n\n/* x * /", true, "f:3: the comment that begins here has no end; write */\n");
        is_told("a {\n b {\n }", true, "f:1: the brace that is opened here is not closed; write }\n");
        is_told("\"\\", true, "f:1: the string that begins here has no end; write \"\n");
}

static void characters_that_the_parser_would_drop_are_told_once_a_line(void **state)
{
        is_told("a = */5 * * *\nb = + c\nd += e", true,
                "f:1: there is a '*' outside of quotes; put the value into quotes\n"
                "f:2: there is a '+' outside of quotes; put the value into quotes\n");
}

static void includes_become_settings(void **state)
{
        becomes("include(\"a)\\\"b\")\nx", "include=\"a)\\\"b\" \nx");
        becomes("include ( 'a'\n) x", "include = 'a'\n  x");
        becomes("include(a)", "include=a ");
        is_told("a\ninclude()", true,
                "f:2: include takes one path; write include(\"/etc/zksup/conf.d/*.conf\")\n");
        is_told("include(\"a\", \"b\")", true,
                "f:1: include takes one path; write include(\"/etc/zksup/conf.d/*.conf\")\n");
        is_told("x { include(a) }", true,
                "f:1: include does not belong into a section; write it before or after\n");
        is_told("include(", true,
                "f:1: include takes one path; write include(\"/etc/zksup/conf.d/*.conf\")\n");
}

static void strings_with_a_zero_are_refused(void **state)
{
        const char *const refused[] = {
                "\"\\0\"", "\"a\\00\"", "\"\\000b\"", "\"\\x0\"", "\"\\x00\"", "\"\\1\"", "\"\\x03\""};

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                char *copy = strdup(refused[i]);
                Problems problems = {0};

                assert_false(source_prepare(copy, strlen(copy), "f", &problems));
                assert_int_equal(problems.total, 1);
                problems_deinit(&problems);
                free(copy);
        }
        becomes("\"\\060 \\x30 \\\\0 \\t\" '\\0'", "\"\\060 \\x30 \\\\0 \\t\" '\\0'");
}

static void binary_files_are_refused(void **state)
{
        char text[] = "a\nb\0c";
        Problems problems = {0};

        assert_false(source_prepare(text, sizeof(text) - 1, "f", &problems));
        assert_string_equal(problems.items[0].text, "there is a control character (0); this is no text file");
        assert_int_equal(problems.items[0].line, 2);
        problems_deinit(&problems);
        is_told("a\n\nb\x02", false, "f:3: there is a control character (2); this is no text file\n");
}

static void problems_are_sorted_and_told_once(void **state)
{
        Problems problems = {0};
        TextBuffer out = {0};

        problems_add(&problems, "b", 2, "x\n\x1b[1m");
        problems_add(&problems, "a", 9, "y");
        problems_add(&problems, "b", 1, "z");
        problems_add(&problems, "b", 1, "z");
        problems_add(&problems, "a", 0, "w");
        for (int i = 0; i < PROBLEMS_MAX; i++)
                problems_add(&problems, "c", 1, "same");
        assert_true(problems_has(&problems, "a", 9));
        assert_false(problems_has(&problems, "a", 2));
        problems_to_text(&problems, &out);
        assert_string_equal(out.data, "b:1: z\nb:2: x??[1m\na: w\na:9: y\nc:1: same\n5 problems more\n");
        text_buffer_deinit(&out);
        problems_deinit(&problems);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(comments_are_blanked_and_lines_stay),
                cmocka_unit_test(what_is_in_strings_and_words_is_no_comment),
                cmocka_unit_test(dollars_are_hidden_from_the_parser),
                cmocka_unit_test(what_has_no_end_is_told_where_it_begins),
                cmocka_unit_test(characters_that_the_parser_would_drop_are_told_once_a_line),
                cmocka_unit_test(includes_become_settings), cmocka_unit_test(strings_with_a_zero_are_refused),
                cmocka_unit_test(binary_files_are_refused),
                cmocka_unit_test(problems_are_sorted_and_told_once)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
