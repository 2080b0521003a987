/* Splitting a command in one string into words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "util/macros.h"
#include "util/words.h"

static void expect(const char *text, ...)
{
        char **words = NULL, problem[200];
        int n = words_split(text, &words, problem, sizeof(problem)), i = 0;
        const char *wanted;
        va_list ap;

        assert_true(n >= 0);
        va_start(ap, text);
        for (; (wanted = va_arg(ap, const char *)); i++) {
                assert_non_null(words[i]);
                assert_string_equal(words[i], wanted);
        }
        va_end(ap);
        assert_null(words[i]);
        assert_int_equal(n, i);
        free(words);
}

static void refuse(const char *text, const char *wanted)
{
        char **words = NULL, problem[200];

        assert_int_equal(words_split(text, &words, problem, sizeof(problem)), -EINVAL);
        assert_string_equal(problem, wanted);
        assert_null(words);
}

static void blanks_separate_words(void **state)
{
        expect("a", "a", NULL);
        expect("  /bin/echo \t one\ntwo ", "/bin/echo", "one", "two", NULL);
        expect("a b c d e f g h i j k l m n o p", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n",
                "o", "p", NULL);
}

static void nothing_has_no_words(void **state)
{
        expect("", NULL);
        expect(" \t\n", NULL);
}

static void quotes_keep_blanks_and_may_be_empty(void **state)
{
        expect("'a b' \"c d\"", "a b", "c d", NULL);
        expect("'' \"\"", "", "", NULL);
        expect("a'b c'd\"e f\"g", "ab cde fg", NULL);
        expect("'\"' \"'\"", "\"", "'", NULL);
}

static void a_backslash_protects_what_a_shell_would_protect(void **state)
{
        expect("a\\ b \\' \\\\", "a b", "'", "\\", NULL);
        expect("'a\\b'", "a\\b", NULL);
        expect("\"\\\"\\\\\\n\\$\"", "\"\\\\n\\$", NULL);
}

static void nothing_is_expanded(void **state)
{
        expect("echo $HOME * ~ ; a|b >c `d` #e", "echo", "$HOME", "*", "~", ";", "a|b", ">c", "`d`", "#e", NULL);
}

static void a_mistake_is_told_with_its_position(void **state)
{
        refuse("echo 'abc", "has a ' that is not closed, at position 6");
        refuse("\"", "has a \" that is not closed, at position 1");
        refuse("\"abc\\\"", "has a \" that is not closed, at position 1");
        refuse("ab\\", "ends with a backslash, at position 3");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(blanks_separate_words),
                cmocka_unit_test(nothing_has_no_words),
                cmocka_unit_test(quotes_keep_blanks_and_may_be_empty),
                cmocka_unit_test(a_backslash_protects_what_a_shell_would_protect),
                cmocka_unit_test(nothing_is_expanded),
                cmocka_unit_test(a_mistake_is_told_with_its_position),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
