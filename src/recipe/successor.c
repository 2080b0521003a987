#include "recipe/successor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/duration.h"
#include "util/macros.h"

#define RETRY_USEC (20 * USEC_PER_MSEC)
#define RETRY_MAX_USEC USEC_PER_SEC

int successor_init(Successor *s, const char *record, uint32_t tags)
{
        int n;

        *s = (Successor){.tags = tags, .tag = tags, .retry_usec = USEC_INFINITY};
        n = snprintf(s->shared, sizeof(s->shared), "%s/" SUCCESSOR_SHARED, record);
        if (n < 0 || (size_t)n >= sizeof(s->shared))
                return -ENAMETOOLONG;
        strcpy(s->record, record);
        return 0;
}

static Request *ask(
        Successor *s, Effects *effects, enum SuccessorAsked asked, enum RequestKind kind, const char *path)
{
        assert(!s->under_way && s->attached);
        s->under_way = true;
        s->asked = asked;
        s->retry_usec = USEC_INFINITY;
        s->tag = s->tags + ((s->tag + 1) & 0xffffff);
        return effects_request(effects, kind, s->tag, path);
}

static const char *grant_path(Successor *s, const Sight *sight)
{
        snprintf(s->path, sizeof(s->path), "%s/%s", s->kind == SUCCESSOR_SHARED_BY ? s->shared : s->record,
                sight->grant);
        return s->path;
}

static void go_on(Successor *s, Effects *effects)
{
        if (!s->active || !s->attached || s->under_way)
                return;
        if (s->read_record) {
                ask(s, effects, ASKED_RECORD, REQUEST_GET, s->record)->watch = true;
                s->record_tag = s->tag;
                return;
        }
        if (s->await) {
                ask(s, effects, ASKED_AWAIT, REQUEST_EXISTS, s->record)->watch = true;
                s->record_tag = s->tag;
                return;
        }
        if (s->read_list) {
                ask(s, effects, ASKED_LIST, REQUEST_CHILDREN, s->shared)->watch = true;
                s->list_tag = s->tag;
                return;
        }
        for (s->current = 0; s->current < s->n_sights; s->current++) {
                Sight *sight = &s->sights[s->current];

                if (!sight->stale)
                        continue;
                ask(s, effects, ASKED_GRANT, REQUEST_GET, grant_path(s, sight))->watch = true;
                sight->watch_tag = s->tag;
                return;
        }
}

static void later(Successor *s, uint64_t now_usec)
{
        unsigned doublings = MIN(s->failures, 6U);

        s->failures++;
        s->retry_usec = now_usec + MIN(RETRY_USEC << doublings, RETRY_MAX_USEC);
}

static Sight *find_sight(Successor *s, const char *grant)
{
        for (size_t i = 0; i < s->n_sights; i++)
                if (strcmp(s->sights[i].grant, grant) == 0)
                        return &s->sights[i];
        return NULL;
}

static void set_grant(Successor *s, const char *grant)
{
        Sight *sight = find_sight(s, grant);
        Sight kept = sight ? *sight : (Sight){.stale = true};

        if (!sight)
                snprintf(kept.grant, sizeof(kept.grant), "%s", grant);
        kept.stale |= s->kind != SUCCESSOR_ONE;
        s->kind = SUCCESSOR_ONE;
        s->sights[0] = kept;
        s->n_sights = 1;
}

static void set_gone(Successor *s)
{
        s->kind = SUCCESSOR_GONE;
        s->read_record = s->read_list = s->is_crowded = s->under_way = false;
        s->n_sights = 0;
        s->await = s->awaits;
}

/* It stands as it is from NOW on, unless it stood so before. */
static void keep(Sight *sight, int32_t version, uint64_t lease_usec, uint64_t now_usec)
{
        if (!sight->known || sight->version != version)
                sight->since_usec = now_usec;
        sight->known = true;
        sight->stale = false;
        sight->version = version;
        sight->wait_usec = CLAIM_MUTANT(MUTANT_NO_WAIT) ? 0 : timing_takeover_wait_usec(lease_usec);
}

/* A record without a grant: its deletion names its own version, and fails while anything is below it. */
static void set_bare(Successor *s, int32_t version, uint64_t now_usec)
{
        Sight kept = s->kind == SUCCESSOR_BARE && s->n_sights == 1 ? s->sights[0] : (Sight){0};

        s->kind = SUCCESSOR_BARE;
        kept.text = (Record){.lease_usec = TIMING_LEASE_MAX_USEC};
        keep(&kept, version, TIMING_LEASE_MAX_USEC, now_usec);
        s->sights[0] = kept;
        s->n_sights = 1;
}

static bool is_grant_name(const Reply *reply, size_t room)
{
        return reply->data_len > 0 && reply->data_len < room && !memchr(reply->data, '/', reply->data_len) &&
               !memchr(reply->data, '\0', reply->data_len);
}

/* --- replies ------------------------------------------------------------------------------------ */

static void on_record(Successor *s, const Reply *reply, uint64_t now_usec)
{
        char grant[sizeof(s->sights[0].grant)] = "";

        s->read_record = s->read_list = s->after_record = false;
        if (reply->outcome != OUTCOME_OK) {
                set_gone(s);
                return;
        }
        if (is_grant_name(reply, sizeof(grant)))
                memcpy(grant, reply->data, reply->data_len);
        if (s->kind == SUCCESSOR_BARE && s->record_czxid != reply->stat.czxid)
                s->kind = SUCCESSOR_UNKNOWN; /* another one of the same version */
        s->record_version = reply->stat.version;
        s->record_czxid = reply->stat.czxid;
        s->after_record = true;
        if (reply->stat.num_children == 0) {
                set_bare(s, reply->stat.version, now_usec);
        } else if (strcmp(grant, SUCCESSOR_SHARED) == 0) {
                if (s->kind != SUCCESSOR_SHARED_BY)
                        s->n_sights = 0;
                s->kind = SUCCESSOR_SHARED_BY;
                s->read_list = !s->shares;
        } else if (grant[0]) {
                set_grant(s, grant);
                s->sights[0].stale = true; /* it may have been renewed since */
        } else {
                set_bare(s, reply->stat.version, now_usec);
        }
}

/* What the record says to be below it is not. Record and grant go in one multi: unless the same record is
 * there still when it is read once more, both have gone since. */
static void on_nothing_below(Successor *s, uint64_t now_usec)
{
        if (s->after_record && s->empty_czxid == s->record_czxid) {
                set_bare(s, s->record_version, now_usec);
                return;
        }
        s->empty_czxid = s->after_record ? s->record_czxid : 0;
        s->read_record = true;
}

static void on_list(Successor *s, const Reply *reply, uint64_t now_usec)
{
        s->read_list = false;
        if (reply->outcome != OUTCOME_OK) {
                on_nothing_below(s, now_usec);
                s->after_record = false;
                return;
        }
        s->after_record = false;
        for (size_t i = 0; i < s->n_sights; i++)
                s->sights[i].listed = false;
        for (size_t i = 0; i < reply->n_children; i++) {
                Sight *sight = find_sight(s, reply->children[i]);

                if (!sight && s->n_sights < SUCCESSOR_GRANTS_MAX &&
                        strlen(reply->children[i]) < sizeof(sight->grant)) {
                        sight = &s->sights[s->n_sights++];
                        *sight = (Sight){.stale = true};
                        strcpy(sight->grant, reply->children[i]);
                }
                if (sight)
                        sight->listed = true;
        }
        for (size_t i = s->n_sights; i-- > 0;)
                if (!s->sights[i].listed)
                        s->sights[i] = s->sights[--s->n_sights];
}

static void on_grant(Successor *s, const Reply *reply, uint64_t now_usec)
{
        Sight *sight = &s->sights[s->current];

        if (reply->outcome == OUTCOME_OK) {
                record_parse(reply->data, reply->data_len, &sight->text);
                keep(sight, reply->stat.version, sight->text.lease_usec, now_usec);
        } else if (s->kind == SUCCESSOR_SHARED_BY) {
                sight->stale = false;
                s->read_list = true;
        } else {
                sight->stale = false;
                on_nothing_below(s, now_usec);
        }
        s->after_record = false;
}

static void on_answer(Successor *s, const Event *event)
{
        s->failures = 0;
        switch (s->asked) {
        case ASKED_RECORD:
                on_record(s, &event->reply, event->now_usec);
                break;
        case ASKED_AWAIT:
                s->await = false;
                s->read_record = event->reply.outcome == OUTCOME_OK;
                break;
        case ASKED_LIST:
                on_list(s, &event->reply, event->now_usec);
                break;
        case ASKED_GRANT:
                on_grant(s, &event->reply, event->now_usec);
                break;
        case ASKED_TAKE: /* if it was renewed, it begins anew */
                s->sights[s->current].stale = true;
                s->sights[s->current].known = false;
                s->read_list = true;
                break;
        }
}

static bool on_reply(Successor *s, const Event *event, Effects *effects)
{
        if (event->reply.tag != s->tag || !s->under_way)
                return false;
        s->under_way = false;
        switch (event->reply.outcome) {
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                later(s, event->now_usec); /* or on ATTACHED */
                return false;
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_ROLLED_BACK:
                on_answer(s, event);
                break;
        case OUTCOME_DENIED:
        case OUTCOME_REFUSED:
                s->refused = event->reply.outcome;
                return true;
        }
        go_on(s, effects);
        return true;
}

static bool on_watch(Successor *s, const Event *event, Effects *effects)
{
        uint32_t tag = event->watch.tag;
        bool deleted = event->watch.kind == WATCH_DELETED;

        if ((s->kind == SUCCESSOR_BARE || s->kind == SUCCESSOR_GONE) && tag == s->record_tag)
                s->read_record = true;
        if (s->kind == SUCCESSOR_SHARED_BY && (tag == s->list_tag || tag == s->record_tag))
                *(tag == s->list_tag && !s->shares ? &s->read_list : &s->read_record) = true;
        for (size_t i = 0; i < s->n_sights; i++) {
                Sight *sight = &s->sights[i];

                if (!sight->watch_tag || tag != sight->watch_tag)
                        continue;
                sight->watch_tag = 0;
                if (deleted && s->kind == SUCCESSOR_ONE && !s->read_record)
                        set_gone(s); /* with its record: they go in one multi */
                else
                        sight->stale = true;
        }
        go_on(s, effects);
        return true;
}

static void on_session(Successor *s, const Event *event, Effects *effects)
{
        switch (event->session.change) {
        case SESSION_ATTACHED:
                s->attached = true;
                s->under_way = false;
                go_on(s, effects);
                break;
        case SESSION_SUSPENDED:
                s->attached = false;
                break;
        case SESSION_EXPIRED:
        case SESSION_CLOSED:
                /* The watches are gone; what was seen, and since when, is not. */
                s->attached = s->under_way = false;
                s->read_record = s->active && s->kind != SUCCESSOR_GONE;
                s->await = s->active && s->kind == SUCCESSOR_GONE && s->awaits;
                break;
        }
}

bool successor_step(Successor *s, const Event *event, Effects *effects)
{
        switch (event->kind) {
        case EVENT_SESSION:
                on_session(s, event, effects);
                return false;
        case EVENT_REPLY:
                return on_reply(s, event, effects);
        case EVENT_WATCH:
                return s->active && on_watch(s, event, effects);
        case EVENT_TIME:
                if (event->now_usec >= s->retry_usec) {
                        s->retry_usec = USEC_INFINITY;
                        go_on(s, effects);
                }
                return false;
        case EVENT_START:
        case EVENT_DEAD:
        case EVENT_RELEASE:
                return false;
        }
        return false;
}

uint64_t successor_deadline(const Successor *s)
{
        return s->active && s->attached && !s->under_way ? s->retry_usec : USEC_INFINITY;
}

void successor_watch(Successor *s, const char *grant, Effects *effects)
{
        if (grant && (!s->active || s->kind != SUCCESSOR_ONE || strcmp(s->sights[0].grant, grant) != 0)) {
                s->read_record = s->read_list = s->under_way = false; /* what is under way is about another */
                set_grant(s, grant);
                s->sights[0].stale = true;
        } else if (!grant && (!s->active || s->kind == SUCCESSOR_UNKNOWN || s->kind == SUCCESSOR_GONE)) {
                s->read_record = true;
                s->await = false;
        }
        s->active = true;
        go_on(s, effects);
}

void successor_look_again(Successor *s, Effects *effects)
{
        s->active = s->read_record = true;
        s->await = false;
        go_on(s, effects);
}

void successor_stop(Successor *s)
{
        s->active = s->under_way = false;
        s->kind = SUCCESSOR_UNKNOWN;
        s->read_record = s->read_list = s->is_crowded = s->await = false;
        s->n_sights = 0;
        s->refused = OUTCOME_OK;
        s->retry_usec = USEC_INFINITY;
}

void successor_crowded(Successor *s, uint64_t now_usec)
{
        s->is_crowded = true;
        for (size_t i = 0; i < s->n_sights; i++)
                s->sights[i].since_usec = now_usec; /* and try again then */
}

/* --- taking ------------------------------------------------------------------------------------- */

bool successor_is_settled(const Successor *s)
{
        if (s->read_record || s->read_list || (s->active && s->under_way))
                return false;
        for (size_t i = 0; i < s->n_sights; i++)
                if (s->sights[i].stale || !s->sights[i].known)
                        return false;
        return true;
}

static uint64_t due_usec(const Sight *sight)
{
        if (!sight->known || sight->text.state == RECORD_WEDGED)
                return USEC_INFINITY;
        return usec_add(sight->since_usec, sight->wait_usec);
}

uint64_t successor_due_usec(const Successor *s)
{
        uint64_t due = USEC_INFINITY;

        for (size_t i = 0; i < s->n_sights; i++)
                due = MIN(due, due_usec(&s->sights[i]));
        return due;
}

size_t successor_take_ops(Successor *s, Op *ops)
{
        size_t n = 0;

        switch (s->kind) {
        case SUCCESSOR_UNKNOWN:
        case SUCCESSOR_GONE:
                break;
        case SUCCESSOR_ONE:
                ops[n++] = (Op){.kind = OP_DELETE,
                        .path = grant_path(s, &s->sights[0]),
                        .version = CLAIM_MUTANT(MUTANT_TAKE_UNCHECKED) ? VERSION_ANY : s->sights[0].version};
                ops[n++] = (Op){.kind = OP_DELETE, .path = s->record, .version = VERSION_ANY};
                break;
        case SUCCESSOR_BARE:
                ops[n++] = (Op){.kind = OP_DELETE, .path = s->record, .version = s->sights[0].version};
                break;
        case SUCCESSOR_SHARED_BY:
                ops[n++] = (Op){.kind = OP_DELETE, .path = s->shared, .version = VERSION_ANY};
                ops[n++] = (Op){.kind = OP_DELETE, .path = s->record, .version = VERSION_ANY};
                break;
        }
        return n;
}

void successor_take_one(Successor *s, uint64_t now_usec, Effects *effects)
{
        if (!s->active || !s->attached || s->under_way)
                return;
        for (size_t i = 0; i < s->n_sights; i++)
                if (due_usec(&s->sights[i]) <= now_usec) {
                        s->current = i;
                        ask(s, effects, ASKED_TAKE, REQUEST_DELETE, grant_path(s, &s->sights[i]))->version =
                                s->sights[i].version;
                        return;
                }
}

/* --- for people --------------------------------------------------------------------------------- */

static const Sight *most_in_the_way(const Successor *s)
{
        const Sight *worst = NULL;

        for (size_t i = 0; i < s->n_sights; i++)
                if (s->sights[i].known && (!worst || due_usec(&s->sights[i]) > due_usec(worst)))
                        worst = &s->sights[i];
        return worst;
}

bool successor_is_wedged(const Successor *s)
{
        const Sight *sight = most_in_the_way(s);

        return sight && sight->text.state == RECORD_WEDGED;
}

bool successor_describe_holder(const Successor *s, char *text, size_t size)
{
        const Sight *sight = most_in_the_way(s);

        if (sight)
                snprintf(text, size, "unit '%.30s' on %.30s (process %llu)", sight->text.unit,
                        sight->text.host, (unsigned long long)sight->text.pid);
        return sight;
}

void successor_describe(const Successor *s, uint64_t now_usec, char *text, size_t size)
{
        const Sight *sight = most_in_the_way(s);
        char left[DURATION_STRING_MAX];

        if (!sight) {
                snprintf(text, size, "for the record %.100s to go away", s->record);
        } else if (sight->text.state == RECORD_WEDGED) {
                snprintf(text, size,
                        "process %llu on %.30s could not be killed; when it is gone, delete %.70s",
                        (unsigned long long)sight->text.pid, sight->text.host, s->record);
        } else {
                duration_to_string(usec_sub(due_usec(sight), now_usec), left);
                if (s->is_crowded || s->kind == SUCCESSOR_BARE)
                        snprintf(text, size,
                                "for the record %.70s, which was not made by zksup, to be deleted, or for %s",
                                s->record, left);
                else
                        snprintf(text, size,
                                "for the lease of unit '%.30s' that died on %.40s to run out, at most %s",
                                sight->text.unit, sight->text.host, left);
        }
}
