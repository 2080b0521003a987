/* What a server does as the leader and as a follower towards its leader: sessions, proposals, ticks,
 * membership. What clients bring goes through forward.c. */
#include "sim/client.h"
#include "sim/ensemble.h"

#include <string.h>

void server_send(Server *from, Server *to, SimulationFn fn, void *object, void *payload, uint64_t number)
{
        network_send(&from->ensemble->network, from->id, to->id, 0, fn, object, payload, number);
}

bool server_is_member(const Server *follower, uint64_t term)
{
        return follower->role == SERVER_FOLLOWING && follower->term == term;
}

/* Whether a packet of FOLLOWER's TERM still counts here; then it was heard of. */
bool leader_hear(Server *leader, const Server *follower, uint64_t term)
{
        if (leader->role != SERVER_LEADING || leader->terms[follower->id] != term)
                return false;
        leader->followers_heard_usec[follower->id] = leader->simulation->now_usec;
        return true;
}

/* ---- sessions ---- */

/* Sessions expire only at ticks of the expiry queue. */
static uint64_t next_tick(const Server *leader, uint64_t after_usec)
{
        uint64_t tick = leader->ensemble->tick_usec, phase = leader->ensemble->expiry_phase_usec[leader->id];

        return ((after_usec - phase) / tick + 1) * tick + phase;
}

void leader_touch(Server *leader, int64_t session)
{
        uint64_t *expiry = &leader->expiry_usec[session - 1];

        if (*expiry == 0)
                return; /* unknown or closing: nothing brings it back */
        *expiry = MAX(*expiry,
                next_tick(leader, leader->simulation->now_usec + leader->sessions[session - 1].timeout_usec));
}

void leader_track(Server *leader, int64_t session, uint64_t timeout_usec)
{
        leader->sessions[session - 1].timeout_usec = timeout_usec;
        leader->expiry_usec[session - 1] = 1;
        leader_touch(leader, session);
}

void leader_expire(Server *leader, int64_t session)
{
        if (leader->expiry_usec[session - 1] == 0)
                return;
        leader->expiry_usec[session - 1] = 0;
        simulation_trace(
                leader->simulation, "server %u: session %lld expires", leader->id, (long long)session);
        leader_propose(
                leader, (Entry){.kind = ENTRY_CLOSE_SESSION, .session = session, .origin = leader->id});
}

void leader_delete(Server *leader, const char *path)
{
        simulation_trace(leader->simulation, "server %u: %s is deleted by hand", leader->id, path);
        leader_propose(leader, (Entry){.kind = ENTRY_DELETE_BY_HAND, .path = path, .origin = leader->id});
}

/* ---- proposals ---- */

static void on_commit(void *object, void *payload, uint64_t term)
{
        Server *follower = object;

        if (!server_is_member(follower, term))
                return;
        follower->heard_usec = follower->simulation->now_usec;
        server_apply(follower, (size_t)(uintptr_t)payload);
}

static void try_commit(Server *leader)
{
        Ensemble *e = leader->ensemble;
        size_t n = leader->n_committed;

        for (unsigned i = 0; i < e->n_servers; i++) {
                size_t candidate = leader->acked[i];
                unsigned votes = 0;

                for (unsigned k = 0; k < e->n_servers; k++)
                        votes += leader->acked[k] >= candidate;
                if (votes > e->n_servers / 2)
                        n = MAX(n, candidate);
        }
        if (n == leader->n_committed)
                return;
        for (unsigned i = 0; i < e->n_servers; i++)
                if (leader->terms[i])
                        server_send(leader, &e->servers[i], on_commit, &e->servers[i], (void *)(uintptr_t)n,
                                leader->terms[i]);
        server_apply(leader, n);
        if (leader->n_committed == leader->n_log)
                leader_answer_syncs(leader);
}

static void on_ack(void *object, void *payload, uint64_t term)
{
        Server *leader = object, *follower = payload;

        if (!leader_hear(leader, follower, term))
                return;
        leader->acked[follower->id]++; /* in order, one for each proposal */
        try_commit(leader);
}

static void on_proposal(void *object, void *payload, uint64_t term)
{
        Server *follower = object;

        if (!server_is_member(follower, term))
                return;
        follower->heard_usec = follower->simulation->now_usec;
        server_append(follower, payload);
        server_send(follower, follower->leader, on_ack, follower->leader, follower, term);
}

void leader_propose(Server *leader, Entry content)
{
        Ensemble *e = leader->ensemble;
        Entry *entry = simulation_copy(leader->simulation, &content, sizeof(content));

        entry->zxid = (int64_t)((uint64_t)leader->epoch << 32 | ++leader->counter);
        server_append(leader, entry);
        leader->acked[leader->id] = leader->n_log;
        for (unsigned i = 0; i < e->n_servers; i++)
                if (leader->terms[i])
                        server_send(
                                leader, &e->servers[i], on_proposal, &e->servers[i], entry, leader->terms[i]);
        try_commit(leader);
}

/* ---- ticks and membership ---- */

static void on_gone(void *object, void *payload, uint64_t term)
{
        Server *follower = object;

        if (!server_is_member(follower, term))
                return;
        simulation_trace(follower->simulation, "server %u: its leader is gone", follower->id);
        server_leave(follower, SERVER_LOOKING);
        ensemble_look(follower->ensemble, follower);
}

/* A follower's answer to the leader's ping: the sessions that it has heard of since the last one. */
typedef struct Report {
        Server *follower;
        uint64_t term;
        uint64_t touched[SESSIONS_MAX / 64];
} Report;

static void on_pong(void *object, void *payload, uint64_t number)
{
        const Report *report = payload;
        Server *leader = object;

        if (!leader_hear(leader, report->follower, report->term))
                return;
        for (size_t i = 0; i < (size_t)leader->ensemble->last_session; i++)
                if (report->touched[i / 64] & 1ULL << (i % 64))
                        leader_touch(leader, (int64_t)i + 1);
}

static void on_ping(void *object, void *payload, uint64_t term)
{
        Server *follower = object;
        Report *report;

        if (!server_is_member(follower, term))
                return;
        follower->heard_usec = follower->simulation->now_usec;
        report = simulation_allocate(follower->simulation, sizeof(*report));
        report->follower = follower;
        report->term = term;
        memcpy(report->touched, follower->touched, sizeof(report->touched));
        memset(follower->touched, 0, sizeof(follower->touched));
        server_send(follower, follower->leader, on_pong, follower->leader, report, 0);
}

void leader_dismiss(Server *leader, unsigned follower)
{
        Server *server = &leader->ensemble->servers[follower];

        if (leader->terms[follower] == 0)
                return;
        server_send(leader, server, on_gone, server, NULL, leader->terms[follower]);
        leader->terms[follower] = 0;
}

static bool has_quorum(Server *leader)
{
        Ensemble *e = leader->ensemble;
        unsigned votes = 1;

        for (unsigned i = 0; i < e->n_servers; i++) {
                if (leader->terms[i] == 0)
                        continue;
                if (leader->followers_heard_usec[i] + SYNC_LIMIT * e->tick_usec >=
                        leader->simulation->now_usec)
                        votes++;
                else
                        leader_dismiss(leader, i);
        }
        return votes > e->n_servers / 2;
}

static void reap_containers(Server *leader)
{
        Ensemble *e = leader->ensemble;
        const Znode *node;

        if (leader->simulation->now_usec % e->container_usec >= e->tick_usec / 2)
                return;
        node = tree_find_empty_container(&leader->tree);
        if (node)
                leader_propose(leader,
                        (Entry){.kind = ENTRY_REAP_CONTAINER, .path = node->path, .origin = leader->id});
}

static void beat_leader(Server *leader)
{
        Ensemble *e = leader->ensemble;

        if (!has_quorum(leader)) {
                simulation_trace(leader->simulation, "server %u: no quorum, leads no longer", leader->id);
                for (unsigned i = 0; i < e->n_servers; i++)
                        leader_dismiss(leader, i);
                server_leave(leader, SERVER_LOOKING);
                ensemble_look(e, leader);
                return;
        }
        for (unsigned i = 0; i < e->n_servers; i++)
                if (leader->terms[i])
                        server_send(leader, &e->servers[i], on_ping, &e->servers[i], NULL, leader->terms[i]);
        reap_containers(leader);
}

static void beat_follower(Server *follower)
{
        Ensemble *e = follower->ensemble;

        if (follower->heard_usec + SYNC_LIMIT * e->tick_usec >= follower->simulation->now_usec)
                return;
        simulation_trace(follower->simulation, "server %u: leader silent, follows no longer", follower->id);
        server_leave(follower, SERVER_LOOKING);
        ensemble_look(e, follower);
}

/* Every half tick, aligned to the server's own phase. */
static void on_beat(void *object, void *payload, uint64_t generation)
{
        Server *server = object;
        Ensemble *e = server->ensemble;
        uint64_t half = e->tick_usec / 2, now = server->simulation->now_usec,
                 phase = e->beat_phase_usec[server->id];

        if (server->generation != generation)
                return;
        if (e->network.frozen[server->id]) {
                /* it cannot look at its clock now */
        } else if (server->role == SERVER_LEADING)
                beat_leader(server);
        else if (server->role == SERVER_FOLLOWING)
                beat_follower(server);
        if (server->generation == generation)
                simulation_at(server->simulation, ((now - phase) / half + 1) * half + phase, on_beat, server,
                        NULL, generation);
}

static void on_expiry_tick(void *object, void *payload, uint64_t generation)
{
        Server *leader = object;
        uint64_t now = leader->simulation->now_usec;

        if (leader->generation != generation)
                return;
        for (size_t i = 0; i < (size_t)leader->ensemble->last_session; i++)
                if (leader->expiry_usec[i] != 0 && leader->expiry_usec[i] <= now &&
                        !leader->ensemble->network.frozen[leader->id])
                        leader_expire(leader, (int64_t)i + 1);
        simulation_at(leader->simulation, next_tick(leader, now), on_expiry_tick, leader, NULL, generation);
}

void leader_start(Server *leader)
{
        Ensemble *e = leader->ensemble;

        leader->role = SERVER_LEADING;
        leader->generation++;
        leader->counter = 0;
        leader->syncs = NULL;
        memset(leader->terms, 0, sizeof(leader->terms));
        memset(leader->acked, 0, sizeof(leader->acked));
        memset(leader->expiry_usec, 0, sizeof(leader->expiry_usec));
        memset(leader->owner, -1, sizeof(leader->owner));
        leader->acked[leader->id] = leader->n_log;
        server_apply(leader, leader->n_log); /* a majority has this log */
        for (size_t i = 0; i < (size_t)e->last_session; i++)
                if (leader->sessions[i].is_open)
                        leader_track(leader, (int64_t)i + 1, leader->sessions[i].timeout_usec);
        simulation_after(leader->simulation, 0, on_beat, leader, NULL, leader->generation);
        simulation_at(leader->simulation, next_tick(leader, leader->simulation->now_usec), on_expiry_tick,
                leader, NULL, leader->generation);
}

void leader_admit(Server *leader, Server *follower)
{
        Ensemble *e = leader->ensemble;

        follower->role = SERVER_FOLLOWING;
        follower->generation++;
        follower->leader = leader;
        follower->epoch = leader->epoch;
        follower->term = ++e->last_term;
        follower->heard_usec = follower->simulation->now_usec;
        leader->terms[follower->id] = follower->term;
        leader->followers_heard_usec[follower->id] = leader->simulation->now_usec;
        leader->acked[follower->id] = follower->n_log;
        server_apply(follower, leader->n_committed);
        simulation_after(follower->simulation, 0, on_beat, follower, NULL, follower->generation);
        try_commit(leader);
}
