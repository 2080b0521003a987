#include "util/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- scope -------------------------------------------------------------------------------------- */

static void enter(SavedScope *scope, const char *name, size_t index)
{
        char number[24] = "";
        int n;

        if (index != SAVED_NO_INDEX)
                snprintf(number, sizeof(number), ".%zu", index);
        n = snprintf(scope->prefix + scope->len, sizeof(scope->prefix) - scope->len, "%s%s.", name, number);
        scope->len = MIN(scope->len + (size_t)n, sizeof(scope->prefix) - 1);
}

static bool is_digits(const char *text)
{
        return *text && text[strspn(text, "0123456789")] == '\0';
}

static void leave(SavedScope *scope)
{
        char *dot;

        if (scope->len == 0)
                return;
        scope->prefix[scope->len - 1] = '\0';
        dot = strrchr(scope->prefix, '.');
        if (is_digits(dot ? dot + 1 : "")) { /* its index */
                *dot = '\0';
                dot = strrchr(scope->prefix, '.');
        }
        scope->len = dot ? (size_t)(dot - scope->prefix) + 1 : 0;
        scope->prefix[scope->len] = '\0';
}

/* --- writing ------------------------------------------------------------------------------------ */

void saved_writer_deinit(SavedWriter *w)
{
        text_buffer_deinit(&w->text);
        free(w->fds);
        *w = (SavedWriter){0};
}

bool saved_writer_failed(const SavedWriter *w)
{
        return w->failed || w->text.failed;
}

void saved_enter(SavedWriter *w, const char *name, size_t index)
{
        enter(&w->scope, name, index);
}

void saved_leave(SavedWriter *w)
{
        leave(&w->scope);
}

void saved_put_data(SavedWriter *w, const char *key, const void *data, size_t len)
{
        const char *bytes = data;

        text_buffer_printf(&w->text, "%s%s ", w->scope.prefix, key);
        for (size_t i = 0, from = 0; i <= len; i++) {
                if (i < len && bytes[i] != '\n' && bytes[i] != '%' && bytes[i] != '\0')
                        continue;
                text_buffer_append(&w->text, bytes + from, i - from);
                if (i < len)
                        text_buffer_printf(&w->text, "%%%02X", (unsigned char)bytes[i]);
                from = i + 1;
        }
        text_buffer_puts(&w->text, "\n");
}

void saved_put(SavedWriter *w, const char *key, const char *value)
{
        if (value)
                saved_put_data(w, key, value, strlen(value));
}

void saved_put_number(SavedWriter *w, const char *key, uint64_t value)
{
        text_buffer_printf(&w->text, "%s%s %" PRIu64 "\n", w->scope.prefix, key, value);
}

void saved_put_signed(SavedWriter *w, const char *key, int64_t value)
{
        text_buffer_printf(&w->text, "%s%s %" PRId64 "\n", w->scope.prefix, key, value);
}

void saved_put_flag(SavedWriter *w, const char *key, bool value)
{
        saved_put_number(w, key, value);
}

void saved_put_fd(SavedWriter *w, const char *key, int fd)
{
        int *fds;

        if (fd < 0)
                return;
        fds = reallocarray(w->fds, w->n_fds + 1, sizeof(*fds));
        if (!fds) {
                w->failed = true;
                return;
        }
        w->fds = fds;
        w->fds[w->n_fds++] = fd;
        text_buffer_printf(&w->text, "%s%s# %d\n", w->scope.prefix, key, fd);
}

int saved_writer_keep_fds(const SavedWriter *w, bool keep)
{
        for (size_t i = 0; i < w->n_fds; i++)
                if (fcntl(w->fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC) < 0)
                        return -errno;
        return 0;
}

/* --- reading ------------------------------------------------------------------------------------ */

static int hex(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; returns the new length, or -1. */
static ssize_t unescape(char *value)
{
        char *out = value;

        for (const char *in = value; *in; in++) {
                if (*in != '%') {
                        *out++ = *in;
                        continue;
                }
                if (hex(in[1]) < 0 || hex(in[2]) < 0)
                        return -1;
                *out++ = (char)(hex(in[1]) << 4 | hex(in[2]));
                in += 2;
        }
        *out = '\0';
        return out - value;
}

static int compare(const void *a, const void *b)
{
        return strcmp(((const SavedEntry *)a)->key, ((const SavedEntry *)b)->key);
}

static int parse_line(Saved *s, char *line)
{
        char *space = strchr(line, ' ');
        ssize_t len;

        if (!space || space == line)
                return -EBADMSG;
        *space = '\0';
        len = unescape(space + 1);
        if (len < 0)
                return -EBADMSG;
        s->entries[s->n++] = (SavedEntry){.key = line, .value = space + 1, .value_len = (size_t)len};
        return 0;
}

int saved_parse(Saved *s, const char *text, size_t len)
{
        size_t lines = 1;
        int r = 0;

        *s = (Saved){0};
        if (memchr(text, '\0', len))
                return -EBADMSG;
        for (size_t i = 0; i < len; i++)
                lines += text[i] == '\n';
        s->text = strndup(text, len);
        s->entries = calloc(lines, sizeof(*s->entries));
        if (!s->text || !s->entries)
                r = -ENOMEM;
        for (char *line = s->text, *end; r == 0 && *line; line = end) {
                end = line + strcspn(line, "\n");
                if (*end)
                        *end++ = '\0';
                r = parse_line(s, line);
        }
        if (r < 0) {
                saved_deinit(s);
                return r;
        }
        qsort(s->entries, s->n, sizeof(*s->entries), compare);
        return 0;
}

void saved_deinit(Saved *s)
{
        free(s->text);
        free(s->entries);
        *s = (Saved){0};
}

void saved_go_in(Saved *s, const char *name, size_t index)
{
        enter(&s->scope, name, index);
}

void saved_go_out(Saved *s)
{
        leave(&s->scope);
}

static SavedEntry *find(const Saved *s, const char *key, const char *suffix)
{
        char full[2 * SAVED_KEY_MAX];

        if (s->n == 0)
                return NULL;
        snprintf(full, sizeof(full), "%s%s%s", s->scope.prefix, key, suffix);
        return bsearch(&(SavedEntry){.key = full}, s->entries, s->n, sizeof(*s->entries), compare);
}

const char *saved_get(const Saved *s, const char *key)
{
        const SavedEntry *e = find(s, key, "");

        return e ? e->value : NULL;
}

bool saved_copy(const Saved *s, const char *key, char *buf, size_t size)
{
        const SavedEntry *e = find(s, key, "");

        if (!e || e->value_len >= size)
                return false;
        memcpy(buf, e->value, e->value_len + 1);
        return true;
}

uint64_t saved_get_number(const Saved *s, const char *key, uint64_t otherwise)
{
        const char *value = saved_get(s, key);
        uint64_t number;

        return value && text_to_u64(value, 0, UINT64_MAX, &number) == 0 ? number : otherwise;
}

int64_t saved_get_signed(const Saved *s, const char *key, int64_t otherwise)
{
        const char *value = saved_get(s, key);
        bool negative = value && value[0] == '-';
        uint64_t number;

        if (!value || text_to_u64(value + negative, 0, (uint64_t)INT64_MAX + negative, &number) < 0)
                return otherwise;
        return negative ? (int64_t)(0 - number) : (int64_t)number;
}

bool saved_get_flag(const Saved *s, const char *key)
{
        return saved_get_number(s, key, 0) == 1;
}

int saved_get_name(const Saved *s, const char *key, const char *(*to_string)(int), int n, int otherwise)
{
        const char *value = saved_get(s, key);

        for (int i = 0; value && i < n; i++)
                if (strcmp(value, to_string(i)) == 0)
                        return i;
        return otherwise;
}

static int to_fd(const SavedEntry *e)
{
        uint64_t number;

        return text_to_u64(e->value, 3, INT32_MAX, &number) == 0 ? (int)number : -1;
}

int saved_take_fd(Saved *s, const char *key)
{
        SavedEntry *e = find(s, key, "#");
        int fd = e && !e->taken ? to_fd(e) : -1;

        if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -1;
        e->taken = true;
        return fd;
}

size_t saved_close_rest(Saved *s)
{
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++) {
                SavedEntry *e = &s->entries[i];

                if (!text_has_suffix(e->key, "#") || e->taken || to_fd(e) < 0)
                        continue;
                e->taken = true;
                close(to_fd(e));
                n++;
        }
        return n;
}
