#include "recipe/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "recipe/timing.h"
#include "util/text.h"

#define RECORD_FIRST_LINE "zksup-record 1"

static void copy_name(char *to, size_t room, const char *from)
{
        size_t i;

        for (i = 0; from[i] && i + 1 < room; i++)
                to[i] = (unsigned char)from[i] < 0x20 ? '?' : from[i];
        to[i] = '\0';
}

size_t record_to_string(const Record *record, char buf[RECORD_TEXT_MAX])
{
        Record clean;
        int n;

        copy_name(clean.host, sizeof(clean.host), record->host);
        copy_name(clean.boot_id, sizeof(clean.boot_id), record->boot_id);
        copy_name(clean.unit, sizeof(clean.unit), record->unit);
        n = snprintf(buf, RECORD_TEXT_MAX,
                RECORD_FIRST_LINE "\nstate %s\nlease-us %" PRIu64 "\nhost %s\nboot-id %s\npid %" PRIu64
                                  "\nunit %s\n",
                record->state == RECORD_WEDGED ? "WEDGED" : "HELD", record->lease_usec, clean.host,
                clean.boot_id, record->pid, clean.unit);
        return n < RECORD_TEXT_MAX ? (size_t)n : RECORD_TEXT_MAX - 1;
}

static bool parse_line(Record *record, const char *key, const char *value, bool *has_state, bool *has_lease)
{
        if (strcmp(key, "state") == 0) {
                if (strcmp(value, "HELD") == 0)
                        record->state = RECORD_HELD;
                else if (strcmp(value, "WEDGED") == 0)
                        record->state = RECORD_WEDGED;
                else
                        return false;
                *has_state = true;
        } else if (strcmp(key, "lease-us") == 0) {
                if (text_to_u64(value, 1, TIMING_LEASE_MAX_USEC, &record->lease_usec) < 0)
                        return false;
                *has_lease = true;
        } else if (strcmp(key, "host") == 0) {
                copy_name(record->host, sizeof(record->host), value);
        } else if (strcmp(key, "boot-id") == 0) {
                copy_name(record->boot_id, sizeof(record->boot_id), value);
        } else if (strcmp(key, "unit") == 0) {
                copy_name(record->unit, sizeof(record->unit), value);
        } else if (strcmp(key, "pid") == 0) {
                (void)text_to_u64(value, 0, UINT64_MAX, &record->pid);
        }
        return true;
}

bool record_parse(const void *data, size_t len, Record *record)
{
        char text[RECORD_TEXT_MAX], *rest = text, *line;
        bool has_state = false, has_lease = false, good;

        *record = (Record){.state = RECORD_HELD, .lease_usec = TIMING_LEASE_MAX_USEC};
        if (len == 0 || len >= sizeof(text) || memchr(data, '\0', len))
                return false;
        memcpy(text, data, len);
        text[len] = '\0';
        line = strsep(&rest, "\n");
        good = strcmp(line, RECORD_FIRST_LINE) == 0;
        while (good && rest) {
                char *value = strsep(&rest, "\n"), *key = strsep(&value, " ");

                good = parse_line(record, key, value ? value : "", &has_state, &has_lease);
        }
        if (good && has_state && has_lease)
                return true;
        record->lease_usec = TIMING_LEASE_MAX_USEC;
        return false;
}
