/* The session with the ensemble as this process sees it: a pure machine over one handle of the
 * ZooKeeper client at a time. It decides when a handle is made, cut, closed and dropped, and what
 * the other machines are told. It is not the lease: being attached proves nothing about holds.
 *
 *   IDLE --open--> CONNECTING --connected--> ATTACHED <--connected/disconnected--> SUSPENDED
 *   CONNECTING, SUSPENDED --expired--> EXPIRED --(at once, later with a pause)--> CONNECTING
 *   any --auth failed--> DENIED        any --close--> CLOSING or CLOSED
 *
 * Invariants
 * - There is a handle in CONNECTING, ATTACHED, SUSPENDED and CLOSING, and in no other state.
 * - SUSPENDED is published once per loss of contact, EXPIRED once per session that was ATTACHED.
 *   Between two ATTACHED there is always a SUSPENDED or an EXPIRED.
 * - EXPIRED is only ever said by the ensemble; no clock of ours leads there.
 *
 * The surprising one: the client library may have changed its connection without a word, so a
 * CONNECTED while ATTACHED is a new connection and is published as SUSPENDED, ATTACHED.
 *
 * The watchdog. The library gives up on a silent server after 2/3 T, that is later than the 0.4 T
 * of silence that a lease of 0.8 T rides out. So a connection attempt is cut after
 * min(T/6, 2 s), and an attached server that leaves a request unanswered is cut after T/6, the
 * "patience". The answers of one session come in the order of the requests, so the clock runs
 * from the last answer, not from the oldest request. Cut and one more hung server: T/3 < 0.4 T.
 * If all servers are that slow, cutting would never end: patience doubles with each cut up to
 * 2/3 T, and comes back to T/6 with an answer that took less than that. */
#pragma once

#include "recipe/event.h"
#include "util/random.h"

enum SessionState {
        SESSION_STATE_IDLE,
        SESSION_STATE_CONNECTING, /* a handle, never attached yet */
        SESSION_STATE_ATTACHED,
        SESSION_STATE_SUSPENDED, /* the session may live; the handle tries to get back to it */
        SESSION_STATE_EXPIRED,   /* no handle; the next one is made at .open_usec */
        SESSION_STATE_DENIED,    /* for good */
        SESSION_STATE_CLOSING,   /* waiting for the server to prove that it answers, to say good-bye */
        SESSION_STATE_CLOSED,    /* for good */
};
#define SESSION_STATES (SESSION_STATE_CLOSED + 1)

enum SessionInputKind {
        SESSION_INPUT_OPEN,         /* begin */
        SESSION_INPUT_ATTEMPT,      /* the handle began to connect to a server */
        SESSION_INPUT_CONNECTED,    /* .connected: handshake done, and what had to be prepared */
        SESSION_INPUT_DISCONNECTED, /* the connection or the attempt is over */
        SESSION_INPUT_EXPIRED,      /* the ensemble does not know the session any more */
        SESSION_INPUT_DENIED,       /* authentication or preparation was refused for good */
        SESSION_INPUT_FAILED,       /* no handle could be made */
        SESSION_INPUT_ASKED,        /* a request went out */
        SESSION_INPUT_ANSWERED,     /* .waiting: an answer came; so many are still outstanding */
        SESSION_INPUT_CLOSE,        /* end the session */
        SESSION_INPUT_TIME,         /* session_deadline() has come, or a spurious wake-up */
};
#define SESSION_INPUTS (SESSION_INPUT_TIME + 1)

typedef struct SessionInput {
        enum SessionInputKind kind;
        uint64_t now_usec;
        union {
                struct {
                        int64_t id;
                        uint64_t timeout_usec; /* as granted with this connection */
                } connected;
                size_t waiting;
        };
} SessionInput;

enum SessionEffectKind {
        SESSION_EFFECT_OPEN,        /* make a handle for a new session */
        SESSION_EFFECT_DROP,        /* free the handle without a word; never blocks */
        SESSION_EFFECT_CUT,         /* shut its connection down, so that it tries the next server */
        SESSION_EFFECT_PAUSE,       /* .until_usec: start no attempt before */
        SESSION_EFFECT_PROBE,       /* send one cheap request: does the server answer? */
        SESSION_EFFECT_FAREWELL,    /* close the session on a server that answers, free the handle */
        SESSION_EFFECT_PUBLISH,     /* .publish */
        SESSION_EFFECT_NO_ENSEMBLE, /* not attached within the connect timeout; trying goes on */
        SESSION_EFFECT_TRACE,       /* .trace: "old -> new (cause)" */
};

typedef struct SessionEffect {
        enum SessionEffectKind kind;
        union {
                uint64_t until_usec;
                struct {
                        enum SessionChange change;
                        int64_t id;
                        uint64_t timeout_usec; /* the smaller of creation's and now */
                } publish;
                char trace[80];
        };
} SessionEffect;

#define SESSION_EFFECTS_MAX 8

typedef struct SessionEffects {
        SessionEffect items[SESSION_EFFECTS_MAX];
        size_t n;
} SessionEffects;

typedef struct Session {
        enum SessionState state;
        uint64_t asked_usec;           /* T as asked for */
        uint64_t connect_timeout_usec; /* 0: for ever */
        size_t n_servers;              /* so many failed attempts make a round */
        Random *random;                /* for the jitter of pauses; not owned */
        int64_t id;                    /* 0: no session yet */
        uint64_t created_timeout_usec; /* T as granted when the session was made */
        uint64_t timeout_usec;         /* the smaller of that and the last grant */
        uint64_t give_up_usec;         /* when NO_ENSEMBLE is due; USEC_INFINITY: never */
        uint64_t open_usec;            /* EXPIRED: when the next handle is made */
        uint64_t attempt_usec;         /* when the attempt began; 0: none is on */
        uint64_t silent_usec;          /* requests are out and nothing came since; 0: none is out */
        uint64_t answer_usec;          /* when the last answer came; 0: never on this connection */
        uint64_t patience_usec;        /* how long an attached server may be silent */
        uint64_t closing_usec;         /* CLOSING: when waiting for an answer ends */
        size_t waiting;                /* requests outstanding */
        unsigned failures;             /* attempts since the last attach */
        unsigned lives;                /* sessions lost in a row without a minute attached */
        uint64_t attached_usec;        /* since when */
} Session;

/* TIMEOUT_USEC is the session timeout asked for, CONNECT_TIMEOUT_USEC 0 for "wait for ever". RANDOM
 * is borrowed and must outlive the machine. */
void session_init(Session *session, uint64_t timeout_usec, uint64_t connect_timeout_usec, Random *random);
/* Begins with a session that is there already, T of which was CREATED_TIMEOUT_USEC: its loss is published, and there is
 * no limit of time for the first contact, which there has been. */
void session_adopt(Session *session, int64_t id, uint64_t created_timeout_usec);
/* How many servers the handle goes round; at least 1. */
void session_set_servers(Session *session, size_t n_servers);
/* Appends to EFFECTS, at most SESSION_EFFECTS_MAX for one step; perform them in order. */
void session_step(Session *session, const SessionInput *input, SessionEffects *effects);
/* When the machine next wants SESSION_INPUT_TIME, in CLOCK_BOOTTIME; USEC_INFINITY: never. */
uint64_t session_deadline(const Session *session);
/* How long one attempt to connect may take. */
uint64_t session_attempt_bound_usec(const Session *session);
const char *session_state_to_string(enum SessionState state);
