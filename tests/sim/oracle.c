#include "sim/oracle.h"

#include <assert.h>
#include <string.h>

void oracle_init(Oracle *oracle, Simulation *simulation)
{
        memset(oracle, 0, sizeof(*oracle));
        oracle->simulation = simulation;
        for (unsigned i = 0; i < ORACLE_HOLDS; i++)
                oracle->holds[i].order = oracle->holds[i].shared_order = -1;
}

static OracleHold *find_hold(Oracle *oracle, unsigned hold)
{
        assert((hold & ~ORACLE_SHARED) < ORACLE_HOLDS);
        return &oracle->holds[hold & ~ORACLE_SHARED];
}

static unsigned pool_of(unsigned hold)
{
        return (hold & ~ORACLE_SHARED) / ORACLE_POOL_HOLDS;
}

void oracle_granted(Oracle *oracle, unsigned hold, unsigned host, int64_t token)
{
        OracleHold *h = find_hold(oracle, hold);
        bool is_shared = hold & ORACLE_SHARED;

        if (token <= h->token || (!is_shared && token <= h->shared_token))
                simulation_violate_safety(oracle->simulation,
                        "hold %u: host %u was given token %lld after token %lld (host %u)", hold, host,
                        (long long)token, (long long)MAX(h->token, h->shared_token), h->holder);
        if (is_shared)
                h->shared_token = MAX(h->shared_token, token);
        else
                h->token = token;
        oracle->n_hand_overs += h->holder != host;
        h->holder = host;
}

void oracle_served_in_order(Oracle *oracle, unsigned hold, int64_t order)
{
        OracleHold *h = find_hold(oracle, hold);
        bool is_shared = hold & ORACLE_SHARED;

        if (order <= h->order || (!is_shared && order <= h->shared_order))
                simulation_violate(oracle->simulation, "hold %u: number %lld in the queue is served after %lld",
                        hold, (long long)order, (long long)MAX(h->order, h->shared_order));
        if (is_shared)
                h->shared_order = MAX(h->shared_order, order);
        else
                h->order = order;
}

void oracle_executes(Oracle *oracle, unsigned hold, unsigned host)
{
        OracleHold *h = find_hold(oracle, hold);
        unsigned pool = pool_of(hold);
        bool is_shared = hold & ORACLE_SHARED;

        assert(host < ORACLE_HOSTS);
        if (h->executing)
                simulation_violate_safety(oracle->simulation,
                        "hold %u: a child executes on host %u while one does on host %u", hold, host,
                        h->executing - 1);
        else if (!is_shared && h->n_sharing)
                simulation_violate_safety(oracle->simulation,
                        "hold %u: a child executes alone on host %u while %u share it", hold, host, h->n_sharing);
        if (is_shared)
                h->n_sharing++;
        else
                h->executing = host + 1;
        oracle->n_executing[pool]++;
        if (oracle->limit[pool] && oracle->n_executing[pool] > oracle->limit[pool])
                simulation_violate_safety(oracle->simulation, "pool %u: %u children execute, not %u", pool,
                        oracle->n_executing[pool], oracle->limit[pool]);
        oracle->served[host][pool]++;
        oracle->n_starts++;
}

void oracle_rests(Oracle *oracle, unsigned hold, unsigned host)
{
        OracleHold *h = find_hold(oracle, hold);

        if (hold & ORACLE_SHARED)
                h->n_sharing -= h->n_sharing > 0;
        else if (h->executing == host + 1)
                h->executing = 0;
        oracle->n_executing[pool_of(hold)] -= oracle->n_executing[pool_of(hold)] > 0;
}
