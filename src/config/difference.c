#include "config/difference.h"

#include <stdlib.h>
#include <string.h>
#include "config/setting.h"

/* The size of a value that is equal when its bytes are; 0: another kind. */
static size_t plain_size(const SchemaSetting *setting)
{
        static const struct {
                ValueParser parse;
                size_t size;
        } all[] = {{value_parse_duration, sizeof(uint64_t)}, {value_parse_number, sizeof(uint64_t)},
                {value_parse_size, sizeof(uint64_t)}, {value_parse_priority, sizeof(uint64_t)},
                {value_parse_give_up, sizeof(uint64_t)}, {value_parse_slots, sizeof(uint64_t)},
                {setting_parse_keep, sizeof(uint64_t)}, {value_parse_flag, sizeof(bool)},
                {setting_parse_start, sizeof(bool)}, {value_parse_signal, sizeof(int)},
                {setting_parse_umask, sizeof(int)}};

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                if (all[i].parse == setting->parse)
                        return all[i].size;
        return 0;
}

static bool is_words(const SchemaSetting *setting)
{
        return setting->parse_list == setting_parse_command ||
               setting->parse_list == setting_parse_environment ||
               setting->parse_list == setting_parse_environment_files;
}

static void put_word(TextBuffer *text, const char *word)
{
        text_buffer_printf(text, "%zu:%s,", strlen(word), word);
}

static void put_raw(TextBuffer *text, const SchemaSetting *setting, const RawSetting *s)
{
        if (!s && setting->by_default)
                put_word(text, setting->by_default);
        for (size_t i = 0; s && i < s->n; i++)
                put_word(text, s->values[i]);
}

static void put_setting(
        TextBuffer *text, const SchemaSetting *setting, const RawSetting *s, const SchemaDraft *draft)
{
        const unsigned char *value = (const unsigned char *)draft + setting->offset;
        size_t size = plain_size(setting);

        text_buffer_append(text, value, size);
        if (is_words(setting))
                for (char *const *word = *(char *const *const *)(const void *)value; word && *word; word++)
                        put_word(text, *word);
        else if (size == 0 && setting->expands)
                put_word(text, *(const char *const *)(const void *)value ?: "");
        else if (size == 0)
                put_raw(text, setting, s);
}

/* FNV-1a. */
static uint64_t hash_of(const TextBuffer *text)
{
        uint64_t hash = 0xcbf29ce484222325;

        for (size_t i = 0; i < text->len; i++)
                hash = (hash ^ (unsigned char)text->data[i]) * 0x100000001b3;
        return hash;
}

uint64_t *difference_hashes(const RawSection *section, const RawSection *defaults, const SchemaDraft *draft)
{
        CLEANUP(text_buffer_deinit) TextBuffer text = {0};
        uint64_t *hashes = calloc(schema_n_settings, sizeof(*hashes));

        for (size_t i = 0; hashes && i < schema_n_settings; i++) {
                const SchemaSetting *setting = &schema_settings[i];
                const RawSetting *s = raw_find(section, setting->name);

                if (setting->place == SCHEMA_GLOBAL)
                        continue;
                if (!s && defaults && setting->place == SCHEMA_DEFAULTS)
                        s = raw_find(defaults, setting->name);
                text.len = 0;
                put_setting(&text, setting, s, draft);
                hashes[i] = hash_of(&text);
        }
        if (text.failed) {
                free(hashes);
                return NULL;
        }
        return hashes;
}

enum ConfigChange difference_find(const uint64_t *before, const uint64_t *after, TextBuffer *which)
{
        enum ConfigChange change = CONFIG_SAME;

        for (size_t i = 0; i < schema_n_settings; i++) {
                if (before[i] == after[i])
                        continue;
                text_buffer_printf(which, "%s%s", change == CONFIG_SAME ? "" : ", ", schema_settings[i].name);
                change = MAX(change, schema_settings[i].change);
        }
        return change;
}
