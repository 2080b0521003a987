"""Answers that come late, in crumbs, or never, by a proxy on the holder's host (answer_proxy.py)."""

import time

from answer_proxy import CREATES, MULTI, AnswerProxy
from registry import fault


def through_proxy(r):
    proxy = AnswerProxy(r.lab.hosts[0], r.any_server())
    r.on_clean_up(proxy.stop)
    return proxy


@fault(short=True)
def answers_late(r):
    """every answer takes up to the length of the lease: it counts from when the request was sent"""
    proxy = through_proxy(r)
    r.contend(connect=proxy.connect)
    delay = r.random.uniform(0.2, 1.0) * r.lease.lease
    r.strike(setattr, proxy, "delay", delay)
    r.notes.append(f"{delay * 1000:.0f} ms late")
    r.heals(setattr, proxy, "delay", 0.0)
    r.endure(3)
    r.await_kept(r.heal())


@fault()
def answers_in_crumbs(r):
    """every answer comes byte by byte"""
    proxy = through_proxy(r)
    r.contend(connect=proxy.connect)
    crumb = r.random.uniform(0.0005, 0.006)
    r.strike(setattr, proxy, "crumb", crumb)
    r.notes.append(f"a byte each {crumb * 1000:.1f} ms")
    r.heals(setattr, proxy, "crumb", 0.0)
    r.endure(3)
    r.await_kept(r.heal())


def lose_while_starting(r, types, nth):
    proxy = through_proxy(r)
    proxy.lose_answer(types, nth)
    r.struck = time.monotonic()
    r.contend(connect=proxy.connect)
    r.await_kept(time.monotonic())


@fault()
def answer_to_create_lost(r):
    """one of the creates on the way to the lock is done, its answer lost: no orphan may block the queue"""
    lose_while_starting(r, CREATES, r.random.randint(1, 6))


@fault(short=True)
def answer_to_claim_lost(r):
    """the claim is done, its answer lost: it must not wait for itself"""
    lose_while_starting(r, MULTI, 1)


@fault()
def answer_to_renewal_lost(r):
    """renewals are done, the answer of one is lost"""
    proxy = through_proxy(r)
    r.contend(connect=proxy.connect)
    r.strike(proxy.lose_answer, MULTI)
    r.endure(2)
    r.await_kept(time.monotonic())


@fault()
def answer_to_release_lost(r):
    """asked to stop; the answer to the last request, or to a renewal just before it, is lost"""
    proxy = through_proxy(r)
    r.contend(connect=proxy.connect)

    def strike():
        proxy.lose_answer(MULTI, r.random.choice([1, 1, 2, 3]))
        r.holder.signal()

    r.strike(strike)
    r.await_takeover()
    r.holder.wait()
