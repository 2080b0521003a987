#include "recipe/session.h"

#include <assert.h>
#include <stdio.h>
#include "util/clock.h"
#include "util/macros.h"

#define ATTEMPT_MAX_USEC (2 * USEC_PER_SEC)
#define PAUSE_MAX_USEC (1 * USEC_PER_SEC)
/* An answer no older than this shows well enough that the server answers. */
#define ALIVE_USEC (1 * USEC_PER_SEC)
/* Attached for so long, the loss of a session is an accident and not the rule. */
#define SETTLED_USEC (60 * USEC_PER_SEC)

const char *session_state_to_string(enum SessionState state)
{
        switch (state) {
        case SESSION_STATE_IDLE:
                return "idle";
        case SESSION_STATE_CONNECTING:
                return "connecting";
        case SESSION_STATE_ATTACHED:
                return "attached";
        case SESSION_STATE_SUSPENDED:
                return "suspended";
        case SESSION_STATE_EXPIRED:
                return "expired";
        case SESSION_STATE_DENIED:
                return "denied";
        case SESSION_STATE_CLOSING:
                return "closing";
        case SESSION_STATE_CLOSED:
                return "closed";
        }
        return "?";
}

static uint64_t timeout_usec(const Session *session)
{
        return session->timeout_usec ? session->timeout_usec : session->asked_usec;
}

static uint64_t patience_base_usec(const Session *session)
{
        return timeout_usec(session) / 6;
}

uint64_t session_attempt_bound_usec(const Session *session)
{
        return MIN(timeout_usec(session) / 6, ATTEMPT_MAX_USEC);
}

void session_init(Session *session, uint64_t asked_usec, uint64_t connect_timeout_usec, Random *random)
{
        *session = (Session){
                .state = SESSION_STATE_IDLE,
                .asked_usec = asked_usec,
                .connect_timeout_usec = connect_timeout_usec,
                .n_servers = 1,
                .random = random,
                .give_up_usec = USEC_INFINITY,
                .open_usec = USEC_INFINITY,
                .closing_usec = USEC_INFINITY,
        };
}

void session_adopt(Session *session, int64_t id, uint64_t created_timeout_usec)
{
        session->id = id;
        session->created_timeout_usec = session->timeout_usec = created_timeout_usec;
        session->connect_timeout_usec = 0;
}

void session_set_servers(Session *session, size_t n_servers)
{
        session->n_servers = MAX(n_servers, (size_t)1);
}

static SessionEffect *append(SessionEffects *effects, enum SessionEffectKind kind)
{
        SessionEffect *effect;

        assert(effects->n < SESSION_EFFECTS_MAX);
        effect = &effects->items[effects->n++];
        *effect = (SessionEffect){.kind = kind};
        return effect;
}

static void publish(const Session *session, SessionEffects *effects, enum SessionChange change)
{
        SessionEffect *effect = append(effects, SESSION_EFFECT_PUBLISH);

        effect->publish.change = change;
        effect->publish.id = session->id;
        effect->publish.timeout_usec = session->timeout_usec;
}

static bool may_follow(enum SessionState from, enum SessionState to)
{
        switch (to) {
        case SESSION_STATE_IDLE:
                return false;
        case SESSION_STATE_CONNECTING:
                return from == SESSION_STATE_IDLE || from == SESSION_STATE_EXPIRED;
        case SESSION_STATE_ATTACHED:
                return from == SESSION_STATE_CONNECTING || from == SESSION_STATE_SUSPENDED;
        case SESSION_STATE_SUSPENDED:
        case SESSION_STATE_CLOSING:
                return from == SESSION_STATE_ATTACHED;
        case SESSION_STATE_EXPIRED:
        case SESSION_STATE_DENIED:
                return from == SESSION_STATE_CONNECTING || from == SESSION_STATE_ATTACHED ||
                       from == SESSION_STATE_SUSPENDED;
        case SESSION_STATE_CLOSED:
                return from != SESSION_STATE_CLOSED && from != SESSION_STATE_DENIED;
        }
        return false;
}

/* What belongs to a connection ends with it. */
static void forget_connection(Session *session)
{
        session->attempt_usec = session->silent_usec = session->answer_usec = 0;
        session->waiting = 0;
}

static void set_state(Session *session, SessionEffects *effects, enum SessionState state, const char *cause)
{
        SessionEffect *effect;

        assert(may_follow(session->state, state));
        effect = append(effects, SESSION_EFFECT_TRACE);
        snprintf(effect->trace, sizeof(effect->trace), "%s -> %s (%s)",
                session_state_to_string(session->state), session_state_to_string(state), cause);
        session->state = state;
        if (state != SESSION_STATE_CLOSING)
                forget_connection(session);
        if (state != SESSION_STATE_EXPIRED)
                session->open_usec = USEC_INFINITY;
        if (state == SESSION_STATE_ATTACHED || state == SESSION_STATE_DENIED || state == SESSION_STATE_CLOSED)
                session->give_up_usec = USEC_INFINITY;
        if (state != SESSION_STATE_CLOSING)
                session->closing_usec = USEC_INFINITY;
}

/* Doubles with every round from 1/8 of the most, which is T/15 but not above one second; half of
 * it is jitter, so that a thousand clients of a restarted ensemble do not come in step. */
static uint64_t pause_usec(Session *session, unsigned round)
{
        uint64_t most = MIN(timeout_usec(session) / 15, PAUSE_MAX_USEC), pause;

        pause = round > 3 ? most : (most / 8) << round;
        return pause / 2 + random_below(session->random, pause / 2 + 1);
}

static void open_handle(Session *session, SessionEffects *effects, const char *cause)
{
        set_state(session, effects, SESSION_STATE_CONNECTING, cause);
        append(effects, SESSION_EFFECT_OPEN);
}

static void end(Session *session, SessionEffects *effects, enum SessionState state, const char *cause)
{
        set_state(session, effects, state, cause);
        publish(session, effects, SESSION_CLOSED);
}

static void on_connected(Session *session, const SessionInput *input, SessionEffects *effects)
{
        bool again = session->state == SESSION_STATE_ATTACHED;

        if (again) {
                set_state(session, effects, SESSION_STATE_SUSPENDED, "the connection was changed silently");
                publish(session, effects, SESSION_SUSPENDED);
        }
        /* A server that lets us have a longer timeout now does not move the one of the session's
         * creation, from which a new leader starts to count. */
        if (session->id != input->connected.id)
                session->created_timeout_usec = input->connected.timeout_usec;
        session->id = input->connected.id;
        session->timeout_usec = MIN(session->created_timeout_usec, input->connected.timeout_usec);
        if (session->patience_usec < patience_base_usec(session))
                session->patience_usec = patience_base_usec(session);
        session->failures = 0;
        session->attached_usec = input->now_usec;
        set_state(session, effects, SESSION_STATE_ATTACHED, "connected");
        publish(session, effects, SESSION_ATTACHED);
}

static void on_attempt_over(Session *session, uint64_t now_usec, SessionEffects *effects)
{
        if (!session->attempt_usec)
                return;
        session->attempt_usec = 0;
        session->failures++;
        if (session->failures % session->n_servers == 0)
                append(effects, SESSION_EFFECT_PAUSE)->until_usec =
                        now_usec + pause_usec(session, session->failures / (unsigned)session->n_servers - 1);
}

static void on_expired(Session *session, uint64_t now_usec, SessionEffects *effects)
{
        bool known = session->id != 0;

        append(effects, SESSION_EFFECT_DROP);
        if (session->attached_usec && now_usec - session->attached_usec >= SETTLED_USEC)
                session->lives = 0;
        set_state(session, effects, SESSION_STATE_EXPIRED, "expired");
        if (known)
                publish(session, effects, SESSION_EXPIRED);
        session->id = 0;
        session->created_timeout_usec = session->timeout_usec = session->patience_usec = 0;
        session->attached_usec = 0;
        if (session->lives++ == 0)
                open_handle(session, effects, "at once");
        else
                session->open_usec = now_usec + pause_usec(session, session->lives - 2);
}

static void on_failed(Session *session, uint64_t now_usec, SessionEffects *effects)
{
        set_state(session, effects, SESSION_STATE_EXPIRED, "no handle");
        session->open_usec = now_usec + pause_usec(session, session->failures++);
}

static void farewell(Session *session, SessionEffects *effects)
{
        append(effects, SESSION_EFFECT_FAREWELL);
        end(session, effects, SESSION_STATE_CLOSED, "closed");
}

static void drop(Session *session, SessionEffects *effects, enum SessionState state, const char *cause)
{
        append(effects, SESSION_EFFECT_DROP);
        end(session, effects, state, cause);
}

static void on_close(Session *session, uint64_t now_usec, SessionEffects *effects)
{
        uint64_t answer_usec = session->answer_usec;

        set_state(session, effects, SESSION_STATE_CLOSING, "close");
        session->closing_usec = now_usec + session_attempt_bound_usec(session);
        if (session->waiting)
                return; /* the last of these answers is the proof */
        if (answer_usec && now_usec - answer_usec < ALIVE_USEC)
                farewell(session, effects);
        else
                append(effects, SESSION_EFFECT_PROBE);
}

static void on_answered(Session *session, const SessionInput *input)
{
        if (session->silent_usec && input->now_usec - session->silent_usec < patience_base_usec(session))
                session->patience_usec = patience_base_usec(session);
        session->waiting = input->waiting;
        session->answer_usec = input->now_usec;
        session->silent_usec = input->waiting ? input->now_usec : 0;
}

static void on_asked(Session *session, uint64_t now_usec)
{
        if (session->waiting++ == 0)
                session->silent_usec = now_usec;
}

static void give_up_if_due(Session *session, uint64_t now_usec, SessionEffects *effects)
{
        if (now_usec < session->give_up_usec)
                return;
        session->give_up_usec = USEC_INFINITY;
        append(effects, SESSION_EFFECT_NO_ENSEMBLE);
}

static void cut_attempt_if_due(Session *session, uint64_t now_usec, SessionEffects *effects)
{
        if (!session->attempt_usec || now_usec < session->attempt_usec + session_attempt_bound_usec(session))
                return;
        session->attempt_usec = now_usec;
        append(effects, SESSION_EFFECT_CUT);
}

static void cut_silent_if_due(Session *session, uint64_t now_usec, SessionEffects *effects)
{
        if (!session->silent_usec || now_usec < session->silent_usec + session->patience_usec)
                return;
        session->silent_usec = now_usec;
        session->patience_usec = MIN(session->patience_usec * 2, timeout_usec(session) / 3 * 2);
        append(effects, SESSION_EFFECT_CUT);
}

/* Before the first attach and while suspended the same things can happen. */
static void step_unattached(Session *session, const SessionInput *input, SessionEffects *effects)
{
        switch (input->kind) {
        case SESSION_INPUT_ATTEMPT:
                on_attempt_over(session, input->now_usec, effects);
                session->attempt_usec = input->now_usec;
                break;
        case SESSION_INPUT_CONNECTED:
                on_connected(session, input, effects);
                break;
        case SESSION_INPUT_DISCONNECTED:
                on_attempt_over(session, input->now_usec, effects);
                break;
        case SESSION_INPUT_EXPIRED:
                on_expired(session, input->now_usec, effects);
                break;
        case SESSION_INPUT_DENIED:
                drop(session, effects, SESSION_STATE_DENIED, "denied");
                break;
        case SESSION_INPUT_FAILED:
                if (session->state == SESSION_STATE_CONNECTING)
                        on_failed(session, input->now_usec, effects);
                break;
        case SESSION_INPUT_CLOSE:
                drop(session, effects, SESSION_STATE_CLOSED, "close without contact");
                break;
        case SESSION_INPUT_TIME:
                give_up_if_due(session, input->now_usec, effects);
                cut_attempt_if_due(session, input->now_usec, effects);
                break;
        case SESSION_INPUT_OPEN:
        case SESSION_INPUT_ASKED:
        case SESSION_INPUT_ANSWERED:
                break;
        }
}

static void step_attached(Session *session, const SessionInput *input, SessionEffects *effects)
{
        switch (input->kind) {
        case SESSION_INPUT_CONNECTED:
                on_connected(session, input, effects);
                break;
        case SESSION_INPUT_ATTEMPT: /* the loss of the old connection went unsaid */
        case SESSION_INPUT_DISCONNECTED:
                set_state(session, effects, SESSION_STATE_SUSPENDED, "disconnected");
                publish(session, effects, SESSION_SUSPENDED);
                session->attempt_usec = input->kind == SESSION_INPUT_ATTEMPT ? input->now_usec : 0;
                break;
        case SESSION_INPUT_EXPIRED:
                on_expired(session, input->now_usec, effects);
                break;
        case SESSION_INPUT_DENIED:
                drop(session, effects, SESSION_STATE_DENIED, "denied");
                break;
        case SESSION_INPUT_ASKED:
                on_asked(session, input->now_usec);
                break;
        case SESSION_INPUT_ANSWERED:
                on_answered(session, input);
                break;
        case SESSION_INPUT_CLOSE:
                on_close(session, input->now_usec, effects);
                break;
        case SESSION_INPUT_TIME:
                cut_silent_if_due(session, input->now_usec, effects);
                break;
        case SESSION_INPUT_OPEN:
        case SESSION_INPUT_FAILED:
                break;
        }
}

static void step_closing(Session *session, const SessionInput *input, SessionEffects *effects)
{
        switch (input->kind) {
        case SESSION_INPUT_ANSWERED:
                on_answered(session, input);
                if (!session->waiting)
                        farewell(session, effects);
                break;
        case SESSION_INPUT_ASKED:
                on_asked(session, input->now_usec);
                break;
        case SESSION_INPUT_ATTEMPT:
        case SESSION_INPUT_CONNECTED:
        case SESSION_INPUT_DISCONNECTED:
        case SESSION_INPUT_EXPIRED:
        case SESSION_INPUT_DENIED:
                drop(session, effects, SESSION_STATE_CLOSED, "contact lost while closing");
                break;
        case SESSION_INPUT_TIME:
                if (input->now_usec >= session->closing_usec)
                        drop(session, effects, SESSION_STATE_CLOSED, "no answer while closing");
                break;
        case SESSION_INPUT_OPEN:
        case SESSION_INPUT_FAILED:
        case SESSION_INPUT_CLOSE:
                break;
        }
}

/* No handle: only the user and the clock can say something. */
static void step_without_handle(Session *session, const SessionInput *input, SessionEffects *effects)
{
        switch (input->kind) {
        case SESSION_INPUT_OPEN:
                if (session->state != SESSION_STATE_IDLE)
                        break;
                if (session->connect_timeout_usec)
                        session->give_up_usec = usec_add(input->now_usec, session->connect_timeout_usec);
                open_handle(session, effects, "open");
                break;
        case SESSION_INPUT_CLOSE:
                end(session, effects, SESSION_STATE_CLOSED, "close");
                break;
        case SESSION_INPUT_TIME:
                give_up_if_due(session, input->now_usec, effects);
                if (input->now_usec >= session->open_usec)
                        open_handle(session, effects, "again");
                break;
        case SESSION_INPUT_ATTEMPT:
        case SESSION_INPUT_CONNECTED:
        case SESSION_INPUT_DISCONNECTED:
        case SESSION_INPUT_EXPIRED:
        case SESSION_INPUT_DENIED:
        case SESSION_INPUT_FAILED:
        case SESSION_INPUT_ASKED:
        case SESSION_INPUT_ANSWERED:
                break;
        }
}

void session_step(Session *session, const SessionInput *input, SessionEffects *effects)
{
        switch (session->state) {
        case SESSION_STATE_IDLE:
        case SESSION_STATE_EXPIRED:
                step_without_handle(session, input, effects);
                break;
        case SESSION_STATE_CONNECTING:
        case SESSION_STATE_SUSPENDED:
                step_unattached(session, input, effects);
                break;
        case SESSION_STATE_ATTACHED:
                step_attached(session, input, effects);
                break;
        case SESSION_STATE_CLOSING:
                step_closing(session, input, effects);
                break;
        case SESSION_STATE_DENIED:
        case SESSION_STATE_CLOSED:
                break; /* for good */
        }
}

uint64_t session_deadline(const Session *session)
{
        uint64_t at = MIN(session->give_up_usec, MIN(session->open_usec, session->closing_usec));

        if (session->attempt_usec)
                at = MIN(at, session->attempt_usec + session_attempt_bound_usec(session));
        if (session->silent_usec && session->state == SESSION_STATE_ATTACHED)
                at = MIN(at, session->silent_usec + session->patience_usec);
        return at;
}
