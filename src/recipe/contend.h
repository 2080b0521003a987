/* The queue engine under lock, election and semaphore: one node of ours in a queue of ephemeral
 * sequential nodes, and who is before us. It knows nothing of records and claims.
 *
 * Create with the id in the name ("protected"): a create whose reply was lost is found again by its
 * id, and a second node of ours is deleted. The list says who is before us; only our predecessor is
 * watched, so one change wakes one waiter. The owner of our node is checked (ephemeralOwner is our
 * session) before the order is believed: after an expiry the list may still show the node of our
 * former session. A node whose deletion was not acknowledged is deleted again until it is known to
 * be gone.
 *
 * With "mark", as in a lock: who claims sets the data of its own node to the name of its grant, in
 * the claim. Its successor, whose watch fires by that, then knows that it is next, what to keep in
 * sight, and, once that node is gone, that nobody else is before it: no list is read at a hand-over. Elections
 * must not do that (election.h), and read the list.
 *
 * Costs, to be kept by a test: joining a queue 3 requests (create, list, watch the predecessor); a
 * hand-over, from release to the successor's claim and what its own successor does on that, at most 5
 * with the closing of the releaser's session. */
#pragma once

#include "recipe/contender.h"
#include "recipe/effect.h"
#include "recipe/parents.h"
