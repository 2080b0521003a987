#include "unit/service-name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "util/macros.h"
#include "util/text.h"

#define SUFFIX ".service"

static bool is_valid(char c)
{
        return isalnum((unsigned char)c) || strchr(":-_.\\@", c);
}

const char *service_name_problem(const char *name)
{
        size_t len = strlen(name);

        if (len == 0 || len > SERVICE_NAME_MAX)
                return "is no name of a service; it has to have 1 to 255 characters";
        for (const char *c = name; *c; c++)
                if (!is_valid(*c))
                        return "is no name of a unit of systemd; 'systemctl list-unit-files' lists them";
        if (!text_has_suffix(name, SUFFIX) || len == strlen(SUFFIX))
                return "is no service; write its whole name, as in 'postgresql.service'";
        if (name[0] == '@' || text_has_suffix(name, "@" SUFFIX))
                return "is a template; name one of its instances, as in 'postgresql@15-main.service'";
        return NULL;
}

/* As systemd-escape(1) does it: what is not plain becomes \xNN. */
static void put_escaped(TextBuffer *b, const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                char c = text[i];

                if (isalnum((unsigned char)c) || c == ':' || c == '_' || (c == '.' && i > 0))
                        text_buffer_append(b, &c, 1);
                else
                        text_buffer_printf(b, "\\x%02x", (unsigned char)c);
        }
}

char *service_name_slice(const char *name)
{
        TextBuffer b = {0};
        const char *at = strchr(name, '@');

        text_buffer_puts(&b, "system");
        if (at) {
                text_buffer_puts(&b, "-");
                put_escaped(&b, name, (size_t)(at - name));
        }
        text_buffer_puts(&b, ".slice");
        return text_buffer_take(&b);
}

/* What would look like a file of the kernel's gets a "_" before it (systemd's CGROUP_INTERFACE, cg_escape()). */
static bool needs_mark(const char *name, size_t len)
{
        static const char *const reserved[] = {"cgroup", "cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "devices",
                "pids", "bpf-firewall", "bpf-devices", "bpf-foreign", "bpf-socket-bind", "bpf-restrict-network-interfaces"};
        const char *dot = memchr(name, '.', len);

        if (name[0] == '_' || name[0] == '.')
                return true;
        for (size_t i = 0; dot && i < ARRAY_SIZE(reserved); i++)
                if (strlen(reserved[i]) == (size_t)(dot - name) && memcmp(reserved[i], name, (size_t)(dot - name)) == 0)
                        return true;
        return false;
}

static void put_component(TextBuffer *b, const char *name, size_t len, const char *suffix)
{
        text_buffer_puts(b, "/");
        if (needs_mark(name, len))
                text_buffer_puts(b, "_");
        text_buffer_append(b, name, len);
        text_buffer_puts(b, suffix);
}

char *service_name_group(const char *name, const char *slice)
{
        TextBuffer b = {0};

        /* a-b.slice is in a.slice; "-.slice" is the root */
        if (strcmp(slice, "-.slice") != 0) {
                for (const char *dash = strchr(slice, '-'); dash; dash = strchr(dash + 1, '-'))
                        put_component(&b, slice, (size_t)(dash - slice), ".slice");
                put_component(&b, slice, strlen(slice), "");
        }
        put_component(&b, name, strlen(name), "");
        return text_buffer_take(&b);
}
