/* Configuration files: whatever is in one, there is either a configuration in which all is as it must be, or
 * at least one line for people; and a mistake in one file does nothing to the reading of the next. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VALUE_MAX 80
#define CHECK(x)                                                                                             \
        do {                                                                                                 \
                if (!(x)) {                                                                                  \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                              \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

static void check_unit(const ConfigUnit *u)
{
        TextBuffer which = {0};

        CHECK(u->references == 1 && u->name[0] && !strchr(u->name, '/') && u->line > 0);
        CHECK((u->command == NULL) != (u->systemd_unit == NULL));
        CHECK(!u->command || u->command[0][0]);
        CHECK(!u->pool || u->first <= u->max);
        CHECK(!u->cron || u->schedule.text[0]);
        CHECK(u->lock_kind != CONFIG_LOCK_SLOTS || u->slots > 0);
        CHECK(u->child.n_limits <= CHILD_LIMITS_MAX);
        CHECK(u->out.kind != OUTPUT_FILE || u->out.path[0] == '/');
        for (char *const *e = u->child.environment; e && *e; e++)
                CHECK(strchr(*e, '='));
        CHECK(config_unit_compare(u, u, &which) == CONFIG_SAME && which.len == 0);
        text_buffer_deinit(&which);
}

static void check_problems(const TextBuffer *problems)
{
        CHECK(problems->len > 0 && problems->data[problems->len - 1] == '\n');
        CHECK(strncmp(problems->data, "fuzz", 4) == 0);
        for (size_t i = 0; i < problems->len; i++)
                CHECK((unsigned char)problems->data[i] >= ' ' || problems->data[i] == '\n');
}

/* That which was read before has left nothing behind. */
static void check_next(void)
{
        Config *config = NULL;
        TextBuffer problems = {0};

        CHECK(config_parse(&config, "unit a { command = 'x' }", "next", &problems) == 0);
        CHECK(config->n_units == 1 && strcmp(config->units[0]->command[0], "x") == 0);
        config_free(config);
        text_buffer_deinit(&problems);
}

/* TEXT as the value of every setting that takes one: it is read, or there is a sentence. Durations, sizes,
 * numbers, signals, schedules and all the others come by here. */
static void check_values(const char *text)
{
        SchemaDraft draft;

        schema_draft_init(&draft);
        for (size_t i = 0; i < schema_n_settings; i++) {
                const SchemaSetting *setting = &schema_settings[i];
                char problem[400] = "";

                if (setting->parse &&
                        setting->parse(text, (char *)&draft + setting->offset, problem, sizeof(problem)) < 0)
                        CHECK(problem[0] && strlen(problem) < sizeof(problem));
        }
        CHECK(draft.rotate_bytes <= INT64_MAX && draft.rotate_keep <= 1000 && draft.slots <= INT64_MAX);
        CHECK(draft.unit.child.nice >= -20 && draft.unit.child.nice <= 19 && draft.unit.child.umask <= 0777);
        readiness_config_deinit(&draft.unit.readiness);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);
        Config *config = NULL;
        TextBuffer problems = {0};

        memcpy(text, data, size);
        text[size] = '\0';
        if (size <= VALUE_MAX)
                check_values(text);
        if (config_parse(&config, text, "fuzz", &problems) == 0) {
                CHECK(problems.len == 0 && config->n_units > 0);
                for (size_t i = 0; i < config->n_units; i++) {
                        check_unit(config->units[i]);
                        CHECK(config_find(config, config->units[i]->name) == config->units[i]);
                }
                CHECK(config->global.connect[0] && config->global.root[0] == '/');
        } else {
                CHECK(!config);
                check_problems(&problems);
        }
        config_free(config);
        text_buffer_deinit(&problems);
        check_next();
        free(text);
        return 0;
}
