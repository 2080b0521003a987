#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t scaled(uint64_t usec)
{
        const char *scale = getenv("ZKSUP_TEST_SCALE");

        return scale && atoi(scale) > 0 ? usec * (uint64_t)atoi(scale) : usec;
}

static void on_client(void *userdata, const ClientEvent *event)
{
        Fixture *f = userdata;

        switch (event->kind) {
        case CLIENT_SESSION:
                assert_true(f->n_changes < CHANGES_MAX);
                f->changes[f->n_changes++] = (Change){event->event->session.change, event->event->session.id,
                        event->event->session.timeout_usec, event->event->now_usec};
                break;
        case CLIENT_NO_ENSEMBLE:
                snprintf(f->no_ensemble, sizeof(f->no_ensemble), "%s", event->text);
                break;
        case CLIENT_DENIED:
                snprintf(f->denied, sizeof(f->denied), "%s", event->text);
                snprintf(f->denied_path, sizeof(f->denied_path), "%s", event->path ? event->path : "");
                break;
        }
}

static void copy_reply(Answer *answer, const Reply *reply)
{
        answer->tag = reply->tag;
        answer->outcome = reply->outcome;
        answer->sent_usec = reply->sent_usec;
        answer->stat = reply->stat;
        snprintf(answer->path, sizeof(answer->path), "%s", reply->path ? reply->path : "");
        snprintf(answer->data, sizeof(answer->data), "%s", reply->data ? (const char *)reply->data : "");
        answer->n_children = reply->n_children;
        for (size_t i = 0; i < reply->n_children && i < 16; i++)
                snprintf(answer->children[i], sizeof(answer->children[i]), "%s", reply->children[i]);
        answer->n_results = reply->results ? reply->n_results : 0;
        for (size_t i = 0; i < answer->n_results && i < 8; i++) {
                answer->results[i] = reply->results[i];
                if (reply->results[i].path)
                        snprintf(answer->result_paths[i], sizeof(answer->result_paths[i]), "%s",
                                reply->results[i].path);
        }
}

void fixture_on_answer(void *userdata, const Event *event)
{
        Fixture *f = userdata;
        Answer *answer = &f->answers[f->n_answers++ % ANSWERS_MAX];

        *answer = (Answer){.watch = event->kind == EVENT_WATCH, .at_usec = event->now_usec};
        if (event->kind == EVENT_REPLY) {
                copy_reply(answer, &event->reply);
                f->n_replies++;
                f->n_outcomes[event->reply.outcome]++;
                return;
        }
        assert_int_equal(event->kind, EVENT_WATCH);
        answer->tag = event->watch.tag;
        answer->kind = event->watch.kind;
        snprintf(answer->path, sizeof(answer->path), "%s", event->watch.path);
}

void fixture_connect(Fixture *f, const ClientConfig *config)
{
        char problem[256] = "";

        if (client_new(&f->client, f->event, config, on_client, f, problem, sizeof(problem)) < 0)
                fail_msg("client_new: %s", problem);
}

void fixture_init(Fixture *f, const ClientConfig *config)
{
        memset(f, 0, sizeof(*f));
        assert_true(sd_event_new(&f->event) >= 0);
        fixture_connect(f, config);
}

void fixture_deinit(Fixture *f)
{
        f->client = client_free(f->client);
        f->event = sd_event_unref(f->event);
}

void fixture_run(Fixture *f, uint64_t usec)
{
        assert_true(sd_event_run(f->event, usec) >= 0);
}

void fixture_idle(Fixture *f, uint64_t usec)
{
        uint64_t until = clock_boottime_usec() + usec, now;

        while ((now = clock_boottime_usec()) < until)
                fixture_run(f, until - now);
}

size_t fixture_count(const Fixture *f, enum SessionChange change)
{
        size_t n = 0;

        for (size_t i = 0; i < f->n_changes; i++)
                n += f->changes[i].change == change;
        return n;
}

void fixture_wait_attached(Fixture *f)
{
        fixture_wait(f, client_is_attached(f->client), 20 * USEC_PER_SEC);
}

void fixture_close(Fixture *f)
{
        size_t before = fixture_count(f, SESSION_CLOSED);

        client_close(f->client);
        assert_int_equal(fixture_count(f, SESSION_CLOSED), before); /* never from inside */
        fixture_wait(f, fixture_count(f, SESSION_CLOSED) == before + 1, 5 * USEC_PER_SEC);
        f->client = client_free(f->client);
}

const Answer *fixture_ask(Fixture *f, const Request *request)
{
        size_t before = f->n_answers;

        assert_int_equal(client_submit(f->client, request, fixture_on_answer, f), 0);
        assert_int_equal(f->n_answers, before); /* never from inside */
        for (size_t at = before;; at++) {
                fixture_wait(f, f->n_answers > at, 10 * USEC_PER_SEC);
                if (!f->answers[at % ANSWERS_MAX].watch && f->answers[at % ANSWERS_MAX].tag == request->tag)
                        return &f->answers[at % ANSWERS_MAX];
        }
}

const Answer *fixture_find_watch(const Fixture *f, uint32_t tag)
{
        for (size_t i = f->n_answers; i > 0 && i + ANSWERS_MAX > f->n_answers; i--)
                if (f->answers[(i - 1) % ANSWERS_MAX].watch && f->answers[(i - 1) % ANSWERS_MAX].tag == tag)
                        return &f->answers[(i - 1) % ANSWERS_MAX];
        return NULL;
}

size_t count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}
