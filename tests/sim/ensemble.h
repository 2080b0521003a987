/* The ensemble: servers, elections, and the faults that servers and their links can have. */
#pragma once

#include "sim/server.h"

struct Ensemble {
        Simulation *simulation;
        Network network;
        unsigned n_servers;
        uint64_t tick_usec;
        uint64_t container_usec; /* how often empty containers are reaped */
        /* Requests of an old connection are refused once the session is at another server, as the real
         * ones do. False: a request given up for lost may be done at any later time, as the model of the
         * rule assumes; but then one that is done after its maker has looked and found nothing leaves
         * what nobody knows of until the session ends, so that not everybody can be served. */
        bool refuses_moved;
        uint64_t last_term;
        int64_t last_session;
        /* Of each server: when it beats (every half tick) and when its sessions can expire (every tick).
         * The two have nothing to do with each other, which makes the touch lag visible. */
        uint64_t beat_phase_usec[NETWORK_SERVERS], expiry_phase_usec[NETWORK_SERVERS];
        Server servers[NETWORK_SERVERS];
};

/* All servers up, connected, server 0 leading. */
void ensemble_init(Ensemble *ensemble, Simulation *simulation, unsigned n_servers, uint64_t tick_usec);
/* The server that leads with the newest epoch, deposed or not; NULL if none does. */
Server *ensemble_find_leader(Ensemble *ensemble);
/* Both directions between A and B. */
void ensemble_cut(Ensemble *ensemble, unsigned a, unsigned b, bool cut);
/* SERVER from and to all other servers (not from clients). */
void ensemble_isolate(Ensemble *ensemble, unsigned server, bool cut);
/* The process ends; its clients hear of it if SAYS_SO, else only by silence. */
void ensemble_crash(Ensemble *ensemble, unsigned server, bool says_so);
void ensemble_restart(Ensemble *ensemble, unsigned server);
void ensemble_freeze(Ensemble *ensemble, unsigned server, bool frozen);
/* All links of and to the servers whole, all servers up and running. */
void ensemble_heal(Ensemble *ensemble);
/* server.c tells: SERVER looks for a leader. */
void ensemble_look(Ensemble *ensemble, Server *server);
