#include "recipe/contender.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "recipe/election.h"
#include "util/text.h"

#define DIGITS 10

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* The server appends %010d: ten digits, or past 2^31 a sign and at least nine. A '-' that belongs to
 * the name ("lock-") is no sign; a sign comes after that one, or after "__". NAME_LEN: without them. */
static bool parse_order(const char *name, int64_t *order, size_t *name_len)
{
        size_t len = strlen(name), start = len;
        bool negative;
        uint64_t value;

        while (start > 0 && is_digit(name[start - 1]))
                start--;
        negative = start >= 2 && name[start - 1] == '-' && (name[start - 2] == '-' || name[start - 2] == '_');
        if (start == len || len - start + negative < DIGITS ||
                text_to_u64(name + start, 0, INT64_MAX, &value) < 0)
                return false;
        *order = negative ? -(int64_t)value : (int64_t)value;
        *name_len = start - negative;
        return true;
}

static bool ends_with(const char *name, size_t len, const char *end)
{
        size_t n = strlen(end);

        return len >= n && strncmp(name + len - n, end, n) == 0;
}

/* "-p<priority>[!]-latch-" before the digits. */
static void parse_priority(Contender *contender, size_t len)
{
        const char *name = contender->name, *p;
        size_t end = len - strlen("-latch-");
        unsigned priority = 0, factor = 1;
        bool preempts;

        if (!ends_with(name, len, "-latch-"))
                return;
        preempts = end > 0 && name[end - 1] == '!';
        end -= preempts;
        for (p = name + end; p > name && is_digit(p[-1]) && priority <= ELECTION_PRIORITY_MAX;
                p--, factor *= 10)
                priority += (unsigned)(p[-1] - '0') * factor;
        if (p == name + end || p < name + 2 || p[-1] != 'p' || p[-2] != '-' ||
                priority > ELECTION_PRIORITY_MAX)
                return;
        contender->priority = priority;
        contender->preempts = preempts;
}

bool contender_parse(const char *name, Contender *contender)
{
        Contender c = {.name = name, .foreign = !text_has_prefix(name, CONTENDER_PREFIX)};
        size_t len;

        if (!parse_order(name, &c.order, &len))
                return false;
        c.shared = ends_with(name, len, "__READ__") || ends_with(name, len, "__rlock__");
        if (!c.foreign)
                parse_priority(&c, len);
        *contender = c;
        return true;
}

bool contender_is(const char *name, const char *id)
{
        size_t n = strlen(id);

        return text_has_prefix(name, CONTENDER_PREFIX) &&
               strncmp(name + strlen(CONTENDER_PREFIX), id, n) == 0 &&
               name[strlen(CONTENDER_PREFIX) + n] == '-';
}

int contender_format(char *path, size_t size, const char *queue, const char *id, const char *kind)
{
        int n = snprintf(path, size, "%s/" CONTENDER_PREFIX "%s-%s", queue, id, kind);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
