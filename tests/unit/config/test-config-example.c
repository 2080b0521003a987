/* examples/zksup.conf, zksup.conf(5) and the table of settings say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "config/config.h"
#include "config/raw.h"
#include "config/schema.h"
#include "util/file.h"

/* The file with each '#' before a setting, a section and a closing brace taken away; "# " begins a remark. */
static char *uncommented(void)
{
        TextBuffer out = {0};
        CLEANUP_STRING text = NULL;

        assert_int_equal(file_read(EXAMPLE, 1 << 20, &text, NULL), 0);
        for (char *next = text, *line; (line = strsep(&next, "\n"));) {
                char *hash = line + strspn(line, " \t");

                if (*hash == '#' && (islower((unsigned char)hash[1]) || hash[1] == '}') &&
                        !text_has_prefix(hash, "#include"))
                        *hash = ' ';
                text_buffer_printf(&out, "%s\n", line);
        }
        return text_buffer_take(&out);
}

static void everything_uncommented_is_a_good_configuration(void **state)
{
        CLEANUP_STRING text = uncommented();
        CLEANUP(config_free) Config *config = NULL;
        TextBuffer problems = {0};

        if (config_parse(&config, text, EXAMPLE, &problems) < 0)
                fail_msg("%s", problems.data);
        assert_int_equal(config->n_units, 4);
        text_buffer_deinit(&problems);
}

static void as_it_is_it_says_nothing(void **state)
{
        CLEANUP(config_free) Config *config = NULL;
        TextBuffer problems = {0};

        assert_int_not_equal(config_load(&config, EXAMPLE, &problems), 0);
        assert_non_null(strstr(problems.data, "describes no unit"));
        text_buffer_deinit(&problems);
}

static char *value_of(const RawSetting *s)
{
        TextBuffer text = {0};

        for (size_t i = 0; i < s->n; i++)
                text_buffer_printf(&text, "%s%s", i ? "|" : "", s->values[i]);
        return text_buffer_take(&text);
}

/* What the table says, read as a value in a file. */
static char *value_in_table(const SchemaSetting *setting)
{
        CLEANUP(raw_deinit) Raw *raw = &(Raw){0};
        CLEANUP_STRING text = NULL;

        assert_true(asprintf(&text, "%s = %s", setting->name, setting->by_default ?: setting->example) > 0);
        assert_int_equal(raw_parse(raw, text, strlen(text), "table", schema_names()), 0);
        assert_int_equal(raw->global.n, 1);
        return value_of(&raw->global.settings[0]);
}

static void count(
        const RawSection *section, const SchemaSetting *setting, unsigned *there, unsigned *as_in_table)
{
        CLEANUP_STRING wanted = value_in_table(setting);

        for (size_t i = 0; i < section->n; i++) {
                CLEANUP_STRING said = value_of(&section->settings[i]);

                if (strcmp(section->settings[i].name, setting->name) != 0)
                        continue;
                ++*there;
                *as_in_table += strcmp(said, wanted) == 0;
        }
}

static void every_setting_stands_in_it_with_its_default_or_its_example(void **state)
{
        CLEANUP_STRING text = uncommented();
        CLEANUP(raw_deinit) Raw *raw = &(Raw){0};

        assert_int_equal(raw_parse(raw, text, strlen(text), EXAMPLE, schema_names()), 0);
        assert_int_equal(raw->problems.total, 0);
        for (size_t i = 0; i < schema_n_settings; i++) {
                const SchemaSetting *setting = &schema_settings[i];
                unsigned there = 0, as_in_table = 0;

                count(&raw->global, setting, &there, &as_in_table);
                for (size_t j = 0; j < raw->n; j++)
                        count(&raw->sections[j], setting, &there, &as_in_table);
                if (!as_in_table)
                        fail_msg("%s stands in " EXAMPLE " %u times, but not with the value of the table",
                                setting->name, there);
        }
}

static void every_setting_in_it_is_one_of_the_table(void **state)
{
        CLEANUP_STRING text = uncommented();
        CLEANUP(raw_deinit) Raw *raw = &(Raw){0};

        assert_int_equal(raw_parse(raw, text, strlen(text), EXAMPLE, schema_names()), 0);
        for (size_t i = 0; i < raw->n; i++)
                for (size_t j = 0; j < raw->sections[i].n; j++)
                        assert_non_null(schema_find(raw->sections[i].settings[j].name));
        for (size_t j = 0; j < raw->global.n; j++)
                assert_non_null(schema_find(raw->global.settings[j].name));
}

static void all_defaults(TextBuffer *text, const char *gate)
{
        for (size_t i = 0; i < schema_n_settings; i++) {
                const SchemaSetting *s = &schema_settings[i];

                if (s->place != SCHEMA_DEFAULTS || !s->by_default || (s->needs && !strstr(gate, s->needs)))
                        continue;
                if ((strcmp(s->name, "restart") == 0 || text_has_suffix(s->name, "wait")) &&
                        strstr(gate, "cron"))
                        continue;
                if (text_has_suffix(s->name, "wait") && !*gate)
                        continue;
                text_buffer_printf(text, "%s = %s\n", s->name, s->by_default);
        }
}

static void compare_with_defaults(const char *gate)
{
        CLEANUP(config_free) Config *before = NULL, *after = NULL;
        TextBuffer bare = {0}, full = {0}, problems = {0}, which = {0};

        text_buffer_printf(&bare, "unit a { command = x %s }", gate);
        text_buffer_printf(&full, "unit a { command = x %s\n", gate);
        all_defaults(&full, gate);
        text_buffer_puts(&full, "}");
        assert_int_equal(config_parse(&before, bare.data, "bare", &problems), 0);
        if (config_parse(&after, full.data, "full", &problems) < 0)
                fail_msg("%s", problems.data);
        if (config_unit_compare(before->units[0], after->units[0], &which) != CONFIG_SAME)
                fail_msg("%s", which.data);
        text_buffer_deinit(&bare);
        text_buffer_deinit(&full);
        text_buffer_deinit(&problems);
        text_buffer_deinit(&which);
}

static void a_default_that_is_written_down_changes_nothing(void **state)
{
        compare_with_defaults("");
        compare_with_defaults("pool = p lead = l lock = k");
        compare_with_defaults("cron = c schedule = @daily");
}

/* The settings of a line "*first* = _N_, *max* = _N_". Each is called SEEN. */
static void each_name(const char *line, void (*seen)(const char *name, void *userdata), void *userdata)
{
        for (const char *p = line; *p == '*'; p = strstr(p, ", *") ? strstr(p, ", *") + 2 : "") {
                const char *end = strchr(p + 1, '*');
                char name[64];

                if (!end || strncmp(end, "* = ", 4) != 0)
                        return;
                snprintf(name, sizeof(name), "%.*s", (int)(end - p - 1), p + 1);
                seen(name, userdata);
        }
}

static void count_name(const char *name, void *userdata)
{
        unsigned *times = userdata;
        const SchemaSetting *setting = schema_find(name);

        if (!setting)
                fail_msg("zksup.conf(5) describes %s, which is no setting", name);
        times[setting - schema_settings]++;
}

static void the_manual_page_describes_every_setting_once(void **state)
{
        CLEANUP_STRING text = NULL;
        unsigned times[200] = {0};

        assert_true(schema_n_settings <= ARRAY_SIZE(times));
        assert_int_equal(file_read(MANUAL, 1 << 20, &text, NULL), 0);
        for (char *next = text, *line; (line = strsep(&next, "\n"));)
                each_name(line, count_name, times);
        for (size_t i = 0; i < schema_n_settings; i++)
                if (times[i] != 1)
                        fail_msg("zksup.conf(5) describes %s %u times", schema_settings[i].name, times[i]);
}

static void the_manual_page_tells_what_a_reload_can_change_while_a_command_runs(void **state)
{
        CLEANUP_STRING text = NULL;
        char *begin, *end;
        unsigned n = 0;

        assert_int_equal(file_read(MANUAL, 1 << 20, &text, NULL), 0);
        begin = strstr(text, "command runs on: ");
        end = begin ? strstr(begin, ". With any other") : NULL;
        assert_non_null(end);
        *end = '\0';
        for (size_t i = 0; i < schema_n_settings; i++) {
                char tag[64];

                snprintf(tag, sizeof(tag), "*%s*", schema_settings[i].name);
                if (schema_settings[i].change == CONFIG_LIVE && !strstr(begin, tag))
                        fail_msg("%s is missing there", schema_settings[i].name);
                n += schema_settings[i].change == CONFIG_LIVE;
        }
        for (char *p = begin; (p = strchr(p, '*')) != NULL; p = strchr(p + 1, '*') + 1)
                n--;
        assert_int_equal(n, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(everything_uncommented_is_a_good_configuration),
                cmocka_unit_test(as_it_is_it_says_nothing),
                cmocka_unit_test(every_setting_stands_in_it_with_its_default_or_its_example),
                cmocka_unit_test(every_setting_in_it_is_one_of_the_table),
                cmocka_unit_test(the_manual_page_describes_every_setting_once),
                cmocka_unit_test(the_manual_page_tells_what_a_reload_can_change_while_a_command_runs),
                cmocka_unit_test(a_default_that_is_written_down_changes_nothing)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
