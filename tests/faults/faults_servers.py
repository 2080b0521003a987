"""Faults of the ensemble: killed, stopped, restarted one by one, all away."""

from registry import fault


@fault(short=True)
def server_killed(r):
    """SIGKILL of one server, any"""
    r.contend()
    r.strike(r.any_server().stop)
    r.endure(2)
    r.await_kept(r.heal(), 60)


@fault()
def leader_killed(r):
    """SIGKILL of the leader"""
    r.contend()
    r.strike(r.lab.leader.stop)
    r.endure(2)
    r.await_kept(r.heal(), 60)


@fault()
def server_stopped(r):
    """SIGSTOP of one server for two session timeouts: connections stay up and nothing answers"""
    r.contend()
    server = r.any_server()
    r.strike(server.pause)
    r.heals(server.resume)
    r.endure(2)
    r.await_kept(r.heal(), 60)


@fault()
def rolling_restart(r):
    """every server is killed and started again, one after the other"""
    r.contend()

    def strike():
        for server in r.random.sample(r.lab.servers, 3):
            server.stop()
            r.lab.heal()

    r.strike(strike)
    r.await_kept(r.heal(), 60)


@fault()
def all_servers_down(r):
    """SIGKILL of all servers, started again after three session timeouts"""
    r.contend()

    def strike():
        for server in r.lab.servers:
            server.stop()

    r.strike(strike)
    r.endure(3)
    r.require_dead_within(r.lease.lease, "all servers down")
    r.heal()
    r.await_takeover(60)
