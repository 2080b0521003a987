#include "sim/oracle.h"

#include <assert.h>
#include <string.h>

void oracle_init(Oracle *oracle, Simulation *simulation)
{
        memset(oracle, 0, sizeof(*oracle));
        oracle->simulation = simulation;
}

void oracle_granted(Oracle *oracle, unsigned hold, unsigned host, int64_t token)
{
        assert(hold < ORACLE_HOLDS && host < ORACLE_HOSTS);
        if (token <= oracle->tokens[hold])
                simulation_violate_safety(oracle->simulation,
                        "hold %u: host %u was given token %lld after token %lld (host %u)", hold, host,
                        (long long)token, (long long)oracle->tokens[hold], oracle->holder_of_token[hold]);
        oracle->tokens[hold] = token;
        oracle->n_hand_overs += oracle->holder_of_token[hold] != host;
        oracle->holder_of_token[hold] = host;
}

void oracle_executes(Oracle *oracle, unsigned hold, unsigned host)
{
        unsigned other = oracle->executing[hold];

        if (other)
                simulation_violate_safety(oracle->simulation,
                        "hold %u: a child executes on host %u while one does on host %u", hold, host,
                        other - 1);
        oracle->executing[hold] = host + 1;
        oracle->served[host][hold / ORACLE_POOL_HOLDS]++;
        oracle->n_starts++;
}

void oracle_rests(Oracle *oracle, unsigned hold, unsigned host)
{
        if (oracle->executing[hold] == host + 1)
                oracle->executing[hold] = 0;
}
