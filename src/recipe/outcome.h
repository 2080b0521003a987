/* What the ensemble said to a request: the closed set that every recipe has to answer for. An
 * outcome is not an error of ours but an event; one function of the client maps every code of the
 * library to it (client/outcome.c).
 *
 * UNKNOWN is the surprising one: the reply was lost. The request may have been applied, may not
 * have been, and may yet be. It is never treated as failure nor as success. */
#pragma once

enum Outcome {
        OUTCOME_OK,
        OUTCOME_NO_NODE,
        OUTCOME_NODE_EXISTS,
        OUTCOME_BAD_VERSION,
        OUTCOME_NOT_EMPTY,
        OUTCOME_NO_CHILDREN, /* the parent is ephemeral and can have none */
        OUTCOME_DENIED,      /* by the ACL, or authentication failed */
        OUTCOME_EXPIRED,     /* the session is gone; a write may still have been applied before */
        OUTCOME_UNKNOWN,     /* the reply was lost */
        OUTCOME_ROLLED_BACK, /* an operation of a multi that was undone because another one failed */
        OUTCOME_REFUSED,     /* any other definite no: bad arguments, too large, not supported, quota */
};

const char *outcome_to_string(enum Outcome outcome);
