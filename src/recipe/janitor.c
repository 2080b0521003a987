#include "recipe/janitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"

void janitor_init(Janitor *j, const char *pool, const char *records, uint64_t first, uint64_t pause_usec)
{
        *j = (Janitor){.pool = pool,
                .records = records,
                .names = numbers_from_names,
                .first = first,
                .next_usec = USEC_INFINITY,
                .pause_usec = pause_usec};
}

void janitor_deinit(Janitor *j)
{
        numbers_deinit(&j->recorded);
        free(j->sightings);
        j->sightings = NULL;
        j->n_sightings = j->room = 0;
}

void janitor_set_names(Janitor *j, JanitorNames names)
{
        j->names = names;
}

void janitor_set_pause(Janitor *j, uint64_t pause_usec)
{
        j->pause_usec = pause_usec;
}

void janitor_set_number(Janitor *j, bool has_number, uint64_t number)
{
        j->has_number = has_number;
        j->number = number;
}

static Request *ask(Janitor *j, Effects *effects, enum JanitorState state, enum RequestKind kind, const char *path)
{
        assert(!j->under_way);
        j->under_way = true;
        j->state = state;
        return effects_request(effects, kind, ++j->tag, path);
}

static void pause_before_lists(Janitor *j, uint64_t now_usec)
{
        j->state = JANITOR_PAUSE;
        j->next_usec = now_usec + j->pause_usec;
}

static void ask_records(Janitor *j, Effects *effects)
{
        j->dirty = false;
        ask(j, effects, JANITOR_RECORDS, REQUEST_CHILDREN, j->records)->watch = true;
}

static const char *record_path(Janitor *j, const Sighting *sighting)
{
        snprintf(j->record_path, sizeof(j->record_path), "%s/%" PRIu64, j->records, sighting->number);
        return j->record_path;
}

static const char *grant_path(Janitor *j, const Sighting *sighting)
{
        snprintf(j->path, sizeof(j->path), "%s/%" PRIu64 "/%s", j->records, sighting->number, sighting->grant);
        return j->path;
}

static void ask_take(Janitor *j, Effects *effects)
{
        Sighting *sighting = &j->sightings[j->current];
        Request *request;
        bool bare = sighting->grant[0] == '\0';
        size_t n = 0;

        if (!bare)
                j->ops[n++] = (Op){.kind = OP_DELETE,
                        .path = grant_path(j, sighting),
                        .version = CLAIM_MUTANT(MUTANT_TAKE_UNCHECKED) ? VERSION_ANY : sighting->version};
        j->ops[n++] = (Op){.kind = OP_DELETE,
                .path = record_path(j, sighting),
                .version = bare ? sighting->version : VERSION_ANY};
        request = ask(j, effects, JANITOR_TAKE, REQUEST_MULTI, j->record_path);
        request->ops = j->ops;
        request->n_ops = n;
}

/* When SIGHTING next wants something: to be looked at again, or to be taken. */
static uint64_t due(const Sighting *sighting)
{
        return sighting->living || sighting->wedged ? sighting->look_usec : sighting->since_usec + sighting->wait_usec;
}

static void look_again(Janitor *j, Sighting *sighting, Effects *effects)
{
        if (sighting->living && sighting->grant[0])
                ask(j, effects, JANITOR_GRANT, REQUEST_GET, grant_path(j, sighting));
        else
                ask(j, effects, JANITOR_RECORD, REQUEST_GET, record_path(j, sighting));
}

/* What to do next when nothing is under way: read what is not yet in sight, take what is due. */
static void go_on(Janitor *j, uint64_t now_usec, Effects *effects)
{
        uint64_t next = USEC_INFINITY;

        if (!j->attached || j->under_way)
                return;
        for (j->current = 0; j->current < j->n_sightings; j->current++) {
                Sighting *sighting = &j->sightings[j->current];

                if (!sighting->seen) {
                        ask(j, effects, JANITOR_RECORD, REQUEST_GET, record_path(j, sighting));
                        return;
                }
                if (now_usec >= due(sighting)) {
                        if (sighting->living || sighting->wedged)
                                look_again(j, sighting, effects);
                        else
                                ask_take(j, effects);
                        return;
                }
                next = MIN(next, due(sighting));
        }
        if (j->dirty) {
                pause_before_lists(j, now_usec);
                j->next_usec = MIN(j->next_usec, next);
                return;
        }
        j->state = JANITOR_AWAKE;
        j->next_usec = next;
}

static void look_at_predecessor(Janitor *j, uint64_t now_usec, Effects *effects)
{
        if (!j->attached || j->under_way)
                return;
        if (!j->has_number || j->number == j->first) {
                pause_before_lists(j, now_usec);
                return;
        }
        snprintf(j->path, sizeof(j->path), "%s/%" PRIu64, j->pool, j->number - 1);
        ask(j, effects, JANITOR_PRED, REQUEST_EXISTS, j->path)->watch = true;
}

static void drop_sighting(Janitor *j, size_t i)
{
        j->sightings[i] = j->sightings[--j->n_sightings];
}

static Sighting *find_sighting(Janitor *j, uint64_t number)
{
        for (size_t i = 0; i < j->n_sightings; i++)
                if (j->sightings[i].number == number)
                        return &j->sightings[i];
        return NULL;
}

/* NULL: there are as many as can be looked at now. Without memory that is fewer. */
static Sighting *add_sighting(Janitor *j, uint64_t number)
{
        Sighting *bigger;

        if (j->n_sightings == j->room) {
                size_t room = MIN(MAX(2 * j->room, (size_t)4), (size_t)JANITOR_SIGHTINGS_MAX);

                if (room == j->room)
                        return NULL;
                bigger = reallocarray(j->sightings, room, sizeof(*bigger));
                if (!bigger)
                        return NULL;
                j->sightings = bigger;
                j->room = room;
        }
        j->sightings[j->n_sightings] = (Sighting){.number = number};
        return &j->sightings[j->n_sightings++];
}

/* The recorded numbers that are LIVING, or those that are not. */
static void add_sightings(Janitor *j, const Numbers *pool, bool living, size_t max)
{
        for (size_t i = 0; i < j->recorded.n && max; i++) {
                uint64_t number = j->recorded.items[i];
                Sighting *sighting;

                if (numbers_has(pool, number) != living || (j->has_number && number == j->number))
                        continue;
                sighting = find_sighting(j, number);
                if (!sighting)
                        sighting = add_sighting(j, number);
                if (sighting)
                        sighting->living = living;
                max--;
        }
}

/* Dead: recorded, but not in the pool. The records were read first: a number that was claimed in
 * between is not among them, one that was released in between turns out to have no record. */
static void on_pool(Janitor *j, const Event *event, Effects *effects)
{
        Numbers pool = {0};

        if (j->names(&pool, event->reply.children, event->reply.outcome == OUTCOME_OK ? event->reply.n_children : 0) < 0) {
                pause_before_lists(j, event->now_usec);
                return;
        }
        for (size_t i = j->n_sightings; i-- > 0;)
                if (!numbers_has(&j->recorded, j->sightings[i].number) ||
                        (j->has_number && numbers_has(&pool, j->sightings[i].number)))
                        drop_sighting(j, i);
        add_sightings(j, &pool, false, SIZE_MAX);
        if (!j->has_number)
                add_sightings(j, &pool, true, JANITOR_LIVING_MAX);
        numbers_deinit(&pool);
        go_on(j, event->now_usec, effects);
}

/* The record or its grant was read and says that it is to be waited for by WAIT_USEC. What is known
 * with this version goes on counting; anything else begins now, at the answer. */
static void sight(Janitor *j, Sighting *sighting, int32_t version, uint64_t wait_usec, uint64_t now_usec)
{
        if (!sighting->known || sighting->version != version)
                sighting->since_usec = now_usec;
        sighting->known = sighting->seen = true;
        sighting->version = version;
        sighting->wait_usec = CLAIM_MUTANT(MUTANT_NO_WAIT) ? 0 : wait_usec;
        sighting->look_usec = now_usec + wait_usec / 8;
}

/* A record without a grant was made, or damaged, by hand: the longest lease there is. Its deletion
 * names its own version, and fails while there is a grant below it. */
static void sight_bare(Janitor *j, Sighting *sighting, uint64_t now_usec)
{
        sight(j, sighting, sighting->record_version, timing_takeover_wait_usec(TIMING_LEASE_MAX_USEC), now_usec);
}

static bool is_grant_name(const Reply *reply, size_t room)
{
        return reply->data_len > 0 && reply->data_len < room && !memchr(reply->data, '/', reply->data_len) &&
                !memchr(reply->data, '\0', reply->data_len);
}

static void on_record(Janitor *j, const Event *event, Effects *effects)
{
        Sighting *sighting = &j->sightings[j->current];
        const Reply *reply = &event->reply;
        char grant[sizeof(sighting->grant)] = "";

        if (reply->outcome != OUTCOME_OK) {
                drop_sighting(j, j->current);
                go_on(j, event->now_usec, effects);
                return;
        }
        if (is_grant_name(reply, sizeof(grant)))
                memcpy(grant, reply->data, reply->data_len);
        if (strcmp(grant, sighting->grant) != 0)
                sighting->known = false;
        memcpy(sighting->grant, grant, sizeof(grant));
        sighting->record_version = reply->stat.version;
        if (grant[0]) {
                ask(j, effects, JANITOR_GRANT, REQUEST_GET, grant_path(j, sighting));
                return;
        }
        sight_bare(j, sighting, event->now_usec);
        go_on(j, event->now_usec, effects);
}

static void on_grant(Janitor *j, const Event *event, Effects *effects)
{
        Sighting *sighting = &j->sightings[j->current];
        Record record;

        if (event->reply.outcome != OUTCOME_OK && sighting->living) {
                /* Released, and perhaps claimed anew, since it was seen last: the lists tell. */
                drop_sighting(j, j->current);
                j->dirty = true;
                go_on(j, event->now_usec, effects);
                return;
        }
        if (event->reply.outcome != OUTCOME_OK) {
                sighting->grant[0] = '\0';
                sighting->known = false;
                sight_bare(j, sighting, event->now_usec);
                go_on(j, event->now_usec, effects);
                return;
        }
        record_parse(event->reply.data, event->reply.data_len, &record);
        sighting->wedged = record.state == RECORD_WEDGED;
        sight(j, sighting, event->reply.stat.version, timing_takeover_wait_usec(record.lease_usec), event->now_usec);
        go_on(j, event->now_usec, effects);
}

static void on_taken(Janitor *j, const Event *event, Effects *effects)
{
        if (event->reply.outcome == OUTCOME_BAD_VERSION) {
                j->sightings[j->current].seen = j->sightings[j->current].known = false; /* renewed: it lives */
        } else {
                j->removed += event->reply.outcome == OUTCOME_OK;
                j->dirty |= event->reply.outcome != OUTCOME_OK;
                drop_sighting(j, j->current);
        }
        go_on(j, event->now_usec, effects);
}

static void on_answer(Janitor *j, const Event *event, Effects *effects)
{
        switch (j->state) {
        case JANITOR_PRED:
                if (event->reply.outcome == OUTCOME_OK) {
                        j->state = JANITOR_ASLEEP;
                        j->n_sightings = 0;
                        numbers_deinit(&j->recorded);
                        j->next_usec = USEC_INFINITY;
                } else {
                        pause_before_lists(j, event->now_usec);
                }
                break;
        case JANITOR_RECORDS:
                if (numbers_from_names(&j->recorded, event->reply.children,
                            event->reply.outcome == OUTCOME_OK ? event->reply.n_children : 0) < 0)
                        pause_before_lists(j, event->now_usec);
                else
                        ask(j, effects, JANITOR_POOL, REQUEST_CHILDREN, j->pool);
                break;
        case JANITOR_POOL:
                on_pool(j, event, effects);
                break;
        case JANITOR_RECORD:
                on_record(j, event, effects);
                break;
        case JANITOR_GRANT:
                on_grant(j, event, effects);
                break;
        case JANITOR_TAKE:
                on_taken(j, event, effects);
                break;
        case JANITOR_OFF:
        case JANITOR_ASLEEP:
        case JANITOR_PAUSE:
        case JANITOR_AWAKE:
                break;
        }
}

static void on_reply(Janitor *j, const Event *event, Effects *effects)
{
        if (event->reply.tag != j->tag || !j->under_way)
                return;
        j->under_way = false;
        switch (event->reply.outcome) {
        case OUTCOME_UNKNOWN:
        case OUTCOME_EXPIRED:
                pause_before_lists(j, event->now_usec); /* nothing lost: the lists tell */
                break;
        case OUTCOME_OK:
        case OUTCOME_NO_NODE:
        case OUTCOME_NODE_EXISTS:
        case OUTCOME_BAD_VERSION:
        case OUTCOME_NOT_EMPTY:
        case OUTCOME_NO_CHILDREN:
        case OUTCOME_DENIED:
        case OUTCOME_ROLLED_BACK:
        case OUTCOME_REFUSED:
                on_answer(j, event, effects);
                break;
        }
}

/* Of the predecessor's znode (tag of JANITOR_PRED is not remembered: any deletion or creation is a
 * reason to look there first), or of the records. */
static void on_watch(Janitor *j, const Event *event, Effects *effects)
{
        if (event->watch.kind == WATCH_CHILDREN) {
                j->dirty = true;
                if (j->state == JANITOR_AWAKE)
                        go_on(j, event->now_usec, effects);
                return;
        }
        if (j->state == JANITOR_ASLEEP || j->state == JANITOR_AWAKE || j->state == JANITOR_PAUSE)
                look_at_predecessor(j, event->now_usec, effects);
}

static void on_time(Janitor *j, uint64_t now_usec, Effects *effects)
{
        if (now_usec < j->next_usec || !j->attached)
                return;
        j->next_usec = USEC_INFINITY;
        if (j->state == JANITOR_PAUSE)
                ask_records(j, effects);
        else if (j->state == JANITOR_AWAKE)
                go_on(j, now_usec, effects);
}

void janitor_step(Janitor *j, const Event *event, Effects *effects)
{
        if (j->state == JANITOR_OFF && event->kind != EVENT_START && event->kind != EVENT_SESSION)
                return;
        switch (event->kind) {
        case EVENT_START:
                /* A request of before may be under way; its reply is passed over by its tag. */
                j->under_way = false;
                j->tag++;
                j->n_sightings = 0;
                j->state = JANITOR_PAUSE;
                look_at_predecessor(j, event->now_usec, effects);
                break;
        case EVENT_REPLY:
                on_reply(j, event, effects);
                break;
        case EVENT_WATCH:
                on_watch(j, event, effects);
                break;
        case EVENT_SESSION:
                j->attached = event->session.change == SESSION_ATTACHED;
                j->under_way = false;
                if (j->attached && j->state != JANITOR_OFF)
                        look_at_predecessor(j, event->now_usec, effects);
                break;
        case EVENT_TIME:
                on_time(j, event->now_usec, effects);
                break;
        case EVENT_DEAD:
                break;
        case EVENT_RELEASE:
                j->state = JANITOR_OFF;
                numbers_deinit(&j->recorded);
                j->under_way = false;
                j->next_usec = USEC_INFINITY;
                break;
        }
}

uint64_t janitor_deadline(const Janitor *j)
{
        return j->attached && !j->under_way && j->state != JANITOR_OFF ? j->next_usec : USEC_INFINITY;
}
