"""Cuts: packets vanish and nothing is reset, as when a cable is pulled, in one direction or both."""

from registry import fault

NOBODY = "02:00:00:00:de:ad"


@fault(short=True)
def follower_cut(r):
    """the follower that the holder talks to loses the other servers, and goes on answering"""
    server = r.lab.followers[0]
    r.contend(connect=server.connect)
    r.strike(r.lab.cut, server, "quorum")
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "follower cut")


@fault(short=True)
def leader_cut(r):
    """the leader, whom the holder talks to, loses its followers"""
    server = r.lab.leader
    r.contend(connect=server.connect)
    r.strike(r.lab.cut, server, "quorum")
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "leader cut")


@fault()
def leader_cut_and_followers_restarted(r):
    """the new leader knows the sessions from disk only, and gives each its whole timeout again"""
    leader, followers = r.lab.leader, r.lab.followers
    r.contend(connect=leader.connect)

    def strike():
        r.lab.cut(leader, "quorum")
        for server in followers:
            server.stop()
        for server in followers:
            server.start(wait=False)

    r.strike(strike)
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "leader cut, followers restarted")


@fault(short=True)
def client_cut(r):
    """the holder's host loses all servers"""
    r.contend()
    r.strike(r.lab.cut, r.lab.hosts[0])
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "client cut")


@fault()
def client_cut_short(r):
    """... for less than the lease allows for: the command runs on, or stops in time"""
    r.contend()
    r.strike(r.lab.cut, r.lab.hosts[0])
    r.endure(r.random.uniform(0.1, 0.8))
    r.await_kept(r.heal())


def misdirect(r, namespace, interface, addresses):
    """Frames to `addresses` go to a hardware address that nobody has: the other direction is whole,
    and unlike with a route that refuses, the sender learns nothing."""
    for address in addresses:
        r.lab._in(namespace, f"neigh replace {address} lladdr {NOBODY} dev {interface} nud permanent")
        r.heals(r.lab._in, namespace, f"neigh del {address} lladdr {NOBODY} dev {interface}")


@fault(short=True)
def requests_cut(r):
    """one way: what the servers say arrives at the holder's host, what it says is lost"""
    r.contend()
    servers = [f"10.77.0.{s.number}" for s in r.lab.servers]
    r.strike(misdirect, r, r.lab.hosts[0].namespace, "clients", servers)
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "requests cut")


@fault()
def answers_cut(r):
    """one way: the holder's requests are carried out, and it hears nothing"""
    r.contend()

    def strike():
        for server in r.lab.servers:
            misdirect(r, server.namespace, "clients", ["10.77.0.101"])

    r.strike(strike)
    r.await_takeover()
    r.require_dead_within(r.lease.lease, "answers cut")


@fault()
def quorum_links_cut(r):
    """every server is alone; later they find each other again"""
    r.contend()

    def strike():
        for server in r.lab.servers:
            r.lab.cut(server, "quorum")

    r.strike(strike)
    r.endure(r.random.uniform(0.2, 3))
    r.await_kept(r.heal(), 60)
