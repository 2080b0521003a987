#include "sim/network.h"

#include <assert.h>
#include <string.h>

void network_init(Network *network, Simulation *simulation)
{
        memset(network, 0, sizeof(*network));
        network->simulation = simulation;
        network->delay_min_usec = 200;
        network->delay_max_usec = 2000;
}

static void hold(Link *link, Packet *packet)
{
        if (!link->held)
                link->held_end = &link->held;
        packet->next = NULL;
        *link->held_end = packet;
        link->held_end = &packet->next;
}

static void on_arrival(void *object, void *payload, uint64_t number)
{
        Network *network = object;
        Packet *packet = payload;
        Link *link = &network->links[packet->from][packet->to];

        if (link->is_cut || network->frozen[packet->to] || link->held)
                hold(link, packet);
        else
                packet->fn(packet->object, packet->payload, packet->number);
}

static uint64_t delay(Network *network, Link *link)
{
        return simulation_between(network->simulation, network->delay_min_usec, network->delay_max_usec) +
               link->extra_usec;
}

void network_send(Network *network, unsigned from, unsigned to, uint64_t late_usec, SimulationFn fn,
        void *object, void *payload, uint64_t number)
{
        Packet *packet = simulation_allocate(network->simulation, sizeof(*packet));
        Link *link = &network->links[from][to];
        uint64_t at = network->simulation->now_usec + delay(network, link) + late_usec;

        assert(from < NETWORK_ENDPOINTS && to < NETWORK_ENDPOINTS);
        *packet = (Packet){
                .from = from, .to = to, .fn = fn, .object = object, .payload = payload, .number = number};
        link->last_usec = MAX(link->last_usec, at); /* in order */
        simulation_at(network->simulation, link->last_usec, on_arrival, network, packet, 0);
}

/* What was held goes on. Until then the list is not empty, so that nothing overtakes it. */
static void on_release(void *object, void *payload, uint64_t number)
{
        Network *network = object;
        Link *link = payload;

        while (link->held && !link->is_cut && !network->frozen[link->held->to]) {
                Packet *packet = link->held;

                link->held = packet->next;
                packet->fn(packet->object, packet->payload, packet->number);
        }
}

static void release(Network *network, unsigned from, unsigned to)
{
        Link *link = &network->links[from][to];

        if (link->held && !link->is_cut && !network->frozen[to])
                simulation_after(network->simulation, delay(network, link), on_release, network, link, 0);
}

void network_cut(Network *network, unsigned from, unsigned to, bool cut)
{
        network->links[from][to].is_cut = cut;
        release(network, from, to);
}

void network_freeze(Network *network, unsigned endpoint, bool frozen)
{
        network->frozen[endpoint] = frozen;
        for (unsigned from = 0; from < NETWORK_ENDPOINTS; from++)
                release(network, from, endpoint);
}

bool network_is_open(const Network *network, unsigned a, unsigned b)
{
        return !network->links[a][b].is_cut && !network->links[b][a].is_cut && !network->frozen[a] &&
               !network->frozen[b];
}
