/* Files: what is included and in which order, and what cannot be read. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/raw.h"
#include "util/file.h"

static char directory[] = "/tmp/zksup-test-XXXXXX";

static char *path_of(const char *name)
{
        static char path[2][200];
        static int turn;

        turn = !turn;
        snprintf(path[turn], sizeof(path[turn]), "%s/%s", directory, name);
        return path[turn];
}

static void put(const char *name, const char *text)
{
        assert_int_equal(file_write_atomic(path_of(name), text, strlen(text), 0600), 0);
}

/* What is said about the file, with the directory taken away. */
static char *said(const char *name)
{
        Config *config = NULL;
        TextBuffer problems = {0};
        char *text;

        if (config_load(&config, path_of(name), &problems) == 0) {
                config_free(config);
                text_buffer_deinit(&problems);
                return strdup("");
        }
        text = text_buffer_take(&problems);
        for (char *p; (p = strstr(text, directory)) != NULL;)
                memmove(p, p + strlen(directory) + 1, strlen(p + strlen(directory) + 1) + 1);
        return text;
}

static void says(const char *name, const char *wanted)
{
        char *text = said(name);

        assert_string_equal(text, wanted);
        free(text);
}

static void included_units_stand_where_the_include_stands(void **state)
{
        Config *config = NULL;
        TextBuffer problems = {0};

        put("main.conf", "unit a { command = x }\ninclude(\"d/*.conf\")\nunit z { command = x "
                         "}\ninclude(\"last.conf\")\n");
        put("last.conf", "# none\n");
        assert_int_equal(mkdir(path_of("d"), 0700), 0);
        put("d/2.conf", "\nunit c { command = x }");
        put("d/1.conf", "root = /r\nunit b { command = x }\nquiet = yes");
        put("d/3.other", "}");
        assert_int_equal(config_load(&config, path_of("main.conf"), &problems), 0);
        assert_int_equal(config->n_units, 4);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(config->units[i]->name[0], "abcz"[i]);
        assert_string_equal(config->units[2]->file, path_of("d/2.conf"));
        assert_int_equal(config->units[2]->line, 2);
        assert_string_equal(config->global.root, "/r");
        assert_true(config->global.quiet);
        config_free(config);
}

static void mistakes_are_told_with_the_file_they_are_in(void **state)
{
        put("m.conf", "unit a { command = x }\ninclude(\"i.conf\")\nrot = /a\nroot = /a");
        put("i.conf", "unit b { command = x }\nunit a { command = x nice = a }\nroot = /b");
        says("m.conf", "m.conf:3: there is no setting 'rot'; did you mean root?\n"
                       "i.conf:2: nice 'a' is no whole number from -20 to 19\n"
                       "i.conf:2: unit 'a' is described twice, before in m.conf:1; give one another name\n"
                       "i.conf:3: root is set twice, before in m.conf:4; remove one\n");
}

static void what_cannot_be_included_is_told_with_the_remedy(void **state)
{
        put("m.conf", "include(\"none.conf\")\ninclude(\"none/"
                      "*.conf\")\ninclude(\"d\")\ninclude()\ninclude(\"fifo\")\nunit a { command = x }");
        assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
        says("m.conf",
                "m.conf:1: include: none.conf: there is no such file; name the right one\n"
                "m.conf:3: include: d: is a directory; name a file, or write include(\"DIRECTORY/*.conf\")\n"
                "m.conf:4: include takes one path; write include(\"/etc/zksup/conf.d/*.conf\")\n"
                "m.conf:5: include: fifo: is no regular file; copy what it says into one\n");
}

static void a_circle_of_includes_is_told(void **state)
{
        put("m.conf", "include(\"i.conf\")\nunit a { command = x }");
        put("i.conf", "\ninclude(\"d/../m.conf\")");
        says("m.conf", "i.conf:2: include: d/../m.conf is being read already; take the circle out\n");
}

static void includes_have_a_bound(void **state)
{
        for (int i = 0; i < 12; i++) {
                char name[16], text[64];

                snprintf(name, sizeof(name), "deep%d", i);
                snprintf(
                        text, sizeof(text), i < 11 ? "include(\"deep%d\")" : "unit a { command = x }", i + 1);
                put(name, text);
        }
        says("deep8", "");
        says("deep3", "");
        says("deep2", "deep10:1: include: deep11: at most 8 files, each in another, and 1000 in all; put "
                      "some together\n");
}

static void files_that_are_none_are_told(void **state)
{
        CLEANUP_STRING big = malloc(RAW_FILE_MAX + 2);

        says("none.conf", "none.conf: there is no such file; name the right one\n");
        says("d", "d: is a directory; name a file, or write include(\"DIRECTORY/*.conf\")\n");
        put("empty.conf", "");
        says("empty.conf", "empty.conf: describes no unit; write unit \"NAME\" { command = ... }\n");
        memset(big, '\n', RAW_FILE_MAX + 1);
        big[RAW_FILE_MAX + 1] = '\0';
        put("big.conf", big);
        says("big.conf", "big.conf: is larger than 1 MiB; this is no configuration file\n");
        assert_int_equal(file_write_atomic(path_of("nul.conf"), "unit a { command = x }\n\0", 24, 0600), 0);
        says("nul.conf", "nul.conf:2: there is a control character (0); this is no text file\n");
}

/* root may read everything. */
static void a_file_that_may_not_be_read_is_told(void **state)
{
        if (geteuid() == 0)
                skip();
        put("secret.conf", "");
        assert_int_equal(chmod(path_of("secret.conf"), 0), 0);
        says("secret.conf",
                "secret.conf: cannot be read: permission denied; let the user that runs zksup read it\n");
}

static void a_thousand_units_are_read(void **state)
{
        TextBuffer text = {0};
        Config *config = NULL;
        TextBuffer problems = {0};

        for (int i = 0; i < 1000; i++)
                text_buffer_printf(&text,
                        "unit \"u%d\" {\n command = {\"/bin/sleep\", \"%d\"}\n pool = default\n}\n", i, i);
        put("many.conf", text.data);
        text_buffer_deinit(&text);
        assert_int_equal(config_load(&config, path_of("many.conf"), &problems), 0);
        assert_int_equal(config->n_units, 1000);
        assert_string_equal(config->units[999]->command[1], "999");
        assert_int_equal(config->units[999]->line, 999 * 4 + 1);
        config_free(config);
}

static int make_directory(void **state)
{
        return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
        char command[64];

        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(included_units_stand_where_the_include_stands),
                cmocka_unit_test(mistakes_are_told_with_the_file_they_are_in),
                cmocka_unit_test(what_cannot_be_included_is_told_with_the_remedy),
                cmocka_unit_test(a_circle_of_includes_is_told), cmocka_unit_test(includes_have_a_bound),
                cmocka_unit_test(files_that_are_none_are_told),
                cmocka_unit_test(a_file_that_may_not_be_read_is_told),
                cmocka_unit_test(a_thousand_units_are_read)};

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
