/* Real ZooKeeper servers for tests: one, or an ensemble of three, on free ports of 127.0.0.1 with
 * their data in a temporary directory. They die with the process that started them, whatever
 * happens to it, and are ended by pid. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ZK_SERVERS_MAX 5

typedef struct ZkServers {
        char dir[64];
        unsigned n;
        unsigned tick_ms;
        struct {
                pid_t pid; /* 0: not running */
                uint16_t port, peer_port, election_port;
        } servers[ZK_SERVERS_MAX];
        char connect[256]; /* "127.0.0.1:PORT,..." */
} ZkServers;

/* Whether Debian's ZooKeeper and a Java are installed; tests are skipped (77) without. */
bool zk_servers_available(void);
/* Starts N (1, 3 or 5) servers with this tick and waits until all serve. The session timeout can be
 * from 2 to 20 ticks. Returns 0 or a negative errno (-ETIMEDOUT: not serving within a minute). */
int zk_servers_start(ZkServers *servers, unsigned n, unsigned tick_ms);
/* Ends all of them and removes their data. */
void zk_servers_stop(ZkServers *servers);

/* SIGKILL and reap one; start it again on its data and port, without waiting for it to serve. */
void zk_server_kill(ZkServers *servers, unsigned i);
int zk_server_start(ZkServers *servers, unsigned i);
/* Waits until server I says in the answer to "srvr" that it serves. */
int zk_server_wait(ZkServers *servers, unsigned i);
/* SIGSTOP, SIGCONT. */
void zk_server_freeze(ZkServers *servers, unsigned i);
void zk_server_thaw(ZkServers *servers, unsigned i);
/* "leader", "follower" or "standalone" into MODE; returns 0 or a negative errno. */
int zk_server_mode(const ZkServers *servers, unsigned i, char mode[16]);
