#include "recipe/ticket.h"

#include <stdbool.h>
#include <string.h>
#include "util/text.h"

/* The order of a ticket: the ten digits that the server has appended (Programmer's Guide,
 * "Sequence Nodes"); they may go on past ten, and below zero they are of no use to anybody. */
static bool order_of(const char *name, uint64_t *order)
{
        const char *dash = strrchr(name, '-');

        return text_has_prefix(name, TICKET_PREFIX) && dash && text_to_u64(dash + 1, 0, UINT64_MAX, order) == 0;
}

static bool is_mine(const char *id, const char *name)
{
        size_t n = strlen(id);

        return text_has_prefix(name, TICKET_PREFIX) && strncmp(name + strlen(TICKET_PREFIX), id, n) == 0 &&
                name[strlen(TICKET_PREFIX) + n] == '-';
}

TicketQueue ticket_queue(const char *id, const char *const *names, size_t n)
{
        TicketQueue q = {.rank = 1};
        uint64_t my_order = 0, best = 0, order;

        for (size_t i = 0; i < n; i++) {
                const char *name = names[i];

                if (!is_mine(id, name) || !order_of(name, &order))
                        continue;
                if (!q.mine || order < my_order) {
                        q.second = q.mine;
                        q.mine = name;
                        my_order = order;
                } else {
                        q.second = name;
                }
        }
        for (size_t i = 0; q.mine && i < n; i++) {
                if (!order_of(names[i], &order) || order >= my_order)
                        continue;
                q.rank++;
                if (!q.ahead || order > best) {
                        q.ahead = names[i];
                        best = order;
                }
        }
        return q;
}
