#include "recipe/contend-line.h"

#include <string.h>

/* Where the foreign ones stand next to us: between two of them ours are sorted by priority, and nobody
 * of ours passes one. */
typedef struct Stretch {
        int64_t begin, end;
} Stretch;

static Stretch stretch_around(const Contender *me, const char *const *names, size_t n)
{
        Stretch s = {INT64_MIN, INT64_MAX};
        Contender x;

        for (size_t i = 0; i < n; i++) {
                if (!contender_parse(names[i], &x) || !x.foreign)
                        continue;
                if (x.order < me->order && x.order > s.begin)
                        s.begin = x.order;
                else if (x.order > me->order && x.order < s.end)
                        s.end = x.order;
        }
        return s;
}

/* Among two of the same stretch. */
static bool is_better(const Contender *a, const Contender *b)
{
        return a->priority != b->priority ? a->priority > b->priority : a->order < b->order;
}

/* How X stands to ME in an election: a total order of all. */
static bool leads_before(const Contender *x, const Contender *me, const Stretch *s)
{
        if (x->foreign || x->order < s->begin)
                return x->order < me->order;
        return x->order < s->end && is_better(x, me);
}

/* Of two that are before us, whether A is the nearer one. */
static bool is_nearer(enum ContendRule rule, const Stretch *s, const Contender *a, const Contender *b)
{
        if (rule != CONTEND_ELECTION || a->order <= s->begin || b->order <= s->begin)
                return a->order > b->order;
        return is_better(b, a);
}

static void read_one(
        Line *line, enum ContendRule rule, const Contender *me, const Stretch *s, const Contender *x)
{
        if (rule == CONTEND_ELECTION ? !leads_before(x, me, s) : x->order >= me->order)
                return;
        line->position++;
        if (rule == CONTEND_SLOTS || (rule == CONTEND_SHARED && x->shared))
                return;
        line->n_ahead++;
        line->only_sharers &= x->shared;
        if (!line->ahead.name || is_nearer(rule, s, x, &line->ahead))
                line->ahead = *x;
}

static void find_second(Line *line, const Contender *me, const Stretch *s, const char *const *names, size_t n)
{
        Contender x, second = {0};

        if (!line->ahead.name || line->ahead.foreign)
                return;
        for (size_t i = 0; i < n; i++) {
                if (!contender_parse(names[i], &x) || !leads_before(&x, me, s) ||
                        x.order == line->ahead.order)
                        continue;
                if (!second.name || is_nearer(CONTEND_ELECTION, s, &x, &second))
                        second = x;
        }
        line->second = second.name;
}

static bool find_mine(
        Line *line, const char *id, const char *node, const char *const *names, size_t n, Contender *me)
{
        int64_t lowest = 0;
        Contender x;

        for (size_t i = 0; i < n; i++) {
                if (!contender_is(names[i], id) || !contender_parse(names[i], &x))
                        continue;
                if (strcmp(names[i], node) == 0) {
                        line->found = true;
                        *me = x;
                } else if (!line->other || x.order < lowest) {
                        line->other = names[i];
                        lowest = x.order;
                }
        }
        return line->found;
}

void contend_line_read(Line *line, enum ContendRule rule, unsigned slots, const char *id, const char *node,
        const char *const *names, size_t n)
{
        Contender me = {0}, x;
        Stretch s = {INT64_MIN, INT64_MAX};
        size_t total = 0;

        *line = (Line){.position = 1, .only_sharers = true};
        if (!find_mine(line, id, node, names, n, &me))
                return;
        if (rule == CONTEND_ELECTION)
                s = stretch_around(&me, names, n);
        for (size_t i = 0; i < n; i++) {
                if (!contender_parse(names[i], &x))
                        continue;
                total++;
                read_one(line, rule, &me, &s, &x);
        }
        if (rule == CONTEND_SLOTS)
                line->n_ahead = total > slots ? total - slots : 0;
        if (rule == CONTEND_ELECTION)
                find_second(line, &me, &s, names, n);
        line->adjacent = true;
        for (size_t i = 0; rule != CONTEND_ELECTION && line->ahead.name && i < n; i++)
                if (contender_parse(names[i], &x) && x.order > line->ahead.order && x.order < me.order)
                        line->adjacent = false;
}
