#include "recipe/cron-sight.h"

#include <stdio.h>
#include <string.h>
#include "recipe/cron-ask.h"
#include "recipe/cron-next.h"
#include "util/clock.h"
#include "util/macros.h"

#define RECORD_LOOK_USEC USEC_PER_SEC
#define DAMAGE_RETRIES 5
#define ANNOUNCED_DAMAGE (-2)

void cron_sight_forget(Cron *c)
{
        c->sighting.grant[0] = '\0';
        c->no_record = false;
}

static void rest_until(Cron *c, uint64_t when_usec, uint64_t now_usec, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);

        c->wake_usec = MIN(c->plan_usec, when_usec);
        if (running && cron_next_wall_seconds(c, now_usec) >= running->start + ANNOUNCE_SECONDS)
                cron_next_announce(c, running, 0, effects);
}

/* A record that nobody could have made but by hand says nothing about when it may go. */
static void rest_for_ever(Cron *c, uint64_t now_usec, Effects *effects)
{
        Effect *effect;

        rest_until(c, usec_add(now_usec, RECORD_LOOK_USEC), now_usec, effects);
        if (c->announced == ANNOUNCED_DAMAGE)
                return;
        c->announced = ANNOUNCED_DAMAGE;
        effect = effects_append(effects, EFFECT_WAITING);
        snprintf(effect->waiting.text, sizeof(effect->waiting.text),
                "%.60s names no grant: if nothing is under way, delete it by hand", c->record_path);
}

/* Of this very run. */
static bool is_own_node(const Cron *c, const Reply *reply)
{
        return reply->outcome == OUTCOME_OK && reply->stat.ephemeral_owner == c->session_id &&
                reply->data_len == strlen(c->run_id) && memcmp(reply->data, c->run_id, reply->data_len) == 0;
}

void cron_sight_looked(Cron *c, const Event *event, Effects *effects)
{
        bool there = event->reply.outcome == OUTCOME_OK;

        if (c->phase == CRON_ENDING) {
                if (is_own_node(c, &event->reply))
                        cron_ask_drop(c, effects);
                else
                        cron_next_ended(c, effects, "nothing of the run is left");
                return;
        }
        if (!there) {
                cron_ask_record(c, effects);
                return;
        }
        cron_sight_forget(c);
        rest_until(c, USEC_INFINITY, event->now_usec, effects); /* its end fires the watch */
}

/* No node and no record, but the book says that a run is under way. It may have ended between two reads;
 * if we see that twice, somebody has deleted what it had. */
static void on_no_record(Cron *c, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);

        c->blocked = false;
        if (!running || !c->no_record) {
                c->no_record = c->read_late = true;
                cron_next(c, effects);
                return;
        }
        c->draft = c->book;
        (void)cron_book_end(&c->draft, running->id, CRON_UNKNOWN, CRON_NONE, CRON_NONE);
        c->no_record = false;
        cron_ask_note(c, effects);
}

void cron_sight_record(Cron *c, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        char name[CRON_ID_MAX];

        if (reply->outcome == OUTCOME_NO_NODE) {
                on_no_record(c, effects);
                return;
        }
        c->no_record = false;
        if (reply->data_len == 0 || reply->data_len >= sizeof(name) || memchr(reply->data, '/', reply->data_len)) {
                rest_for_ever(c, event->now_usec, effects);
                return;
        }
        snprintf(name, sizeof(name), "%.*s", (int)reply->data_len, (const char *)reply->data);
        if (strcmp(name, c->sighting.grant) != 0)
                cron_sight_forget(c);
        snprintf(c->grant_path, sizeof(c->grant_path), "%s/%s", c->record_path, name);
        cron_ask_grant(c, effects);
}

static void reap(Cron *c, uint64_t now_usec, Effects *effects)
{
        const CronEntry *running = cron_book_running(&c->book);

        c->draft = c->book;
        if (running)
                (void)cron_book_end(
                        &c->draft, running->id, CRON_UNKNOWN, cron_next_wall_seconds(c, now_usec), CRON_NONE);
        cron_ask_reap(c, effects);
}

void cron_sight_grant(Cron *c, const Event *event, Effects *effects)
{
        const Reply *reply = &event->reply;
        const char *name = strrchr(c->grant_path, '/') + 1;
        uint64_t due;
        Record text;

        if (reply->outcome == OUTCOME_NO_NODE) {
                /* Both go in one step: they may have gone between two reads of ours. */
                if (c->retries < DAMAGE_RETRIES)
                        cron_next_later(c, event->now_usec);
                else
                        rest_for_ever(c, event->now_usec, effects);
                return;
        }
        (void)record_parse(reply->data, reply->data_len, &text);
        if (strcmp(name, c->sighting.grant) != 0 || reply->stat.version != c->sighting.version) {
                snprintf(c->sighting.grant, sizeof(c->sighting.grant), "%s", name);
                c->sighting.version = reply->stat.version;
                c->sighting.since_usec = event->now_usec; /* it was written before that */
                c->sighting.wait_usec = timing_takeover_wait_usec(text.lease_usec);
        }
        due = usec_add(c->sighting.since_usec, c->sighting.wait_usec);
        if (text.state == RECORD_WEDGED)
                rest_until(c, USEC_INFINITY, event->now_usec, effects); /* until told otherwise */
        else if (event->now_usec >= due)
                reap(c, event->now_usec, effects);
        else
                rest_until(c, due, event->now_usec, effects);
}

void cron_sight_reaped(Cron *c, const Event *event, Effects *effects)
{
        cron_sight_forget(c);
        c->blocked = false;
        if (event->reply.outcome == OUTCOME_NOT_EMPTY)
                cron_next_later(c, event->now_usec);
        else
                cron_next(c, effects);
}
