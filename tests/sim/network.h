/* The network: one directed link between any two endpoints, in order like TCP, with delays, cuts in
 * one or both directions, and endpoints that are frozen (a stopped process reads nothing).
 *
 * A packet that meets a cut or a frozen receiver is held and goes on, in order, after the healing:
 * TCP retransmits. Whether anybody still wants it then is the receiver's business, so every receiver
 * checks that the connection or the term it belongs to is the present one. */
#pragma once

#include "sim/simulation.h"

#define NETWORK_SERVERS 5
#define NETWORK_HOSTS 12
#define NETWORK_ENDPOINTS (NETWORK_SERVERS + NETWORK_HOSTS)

typedef struct Packet Packet;
struct Packet {
        Packet *next;
        unsigned from, to;
        SimulationFn fn;
        void *object, *payload;
        uint64_t number;
};

typedef struct Link {
        bool is_cut;
        uint64_t extra_usec; /* added to each delay: a slow link */
        uint64_t last_usec;  /* the latest arrival that was scheduled */
        Packet *held, **held_end;
} Link;

typedef struct Network {
        Simulation *simulation;
        uint64_t delay_min_usec, delay_max_usec;
        bool frozen[NETWORK_ENDPOINTS];
        Link links[NETWORK_ENDPOINTS][NETWORK_ENDPOINTS];
} Network;

void network_init(Network *network, Simulation *simulation);

static inline unsigned network_host(unsigned host)
{
        return NETWORK_SERVERS + host;
}

/* FN(object, payload, number) happens at the receiver, some time later or after a healing. */
void network_send(Network *network, unsigned from, unsigned to, uint64_t late_usec, SimulationFn fn,
        void *object, void *payload, uint64_t number);
/* Cuts or heals the direction FROM -> TO. */
void network_cut(Network *network, unsigned from, unsigned to, bool cut);
void network_freeze(Network *network, unsigned endpoint, bool frozen);
/* Neither direction is cut and neither end is frozen. */
bool network_is_open(const Network *network, unsigned a, unsigned b);
