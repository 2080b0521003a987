#include "client/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "util/macros.h"

#define STACK_BYTES (256 * 1024) /* the resolver's modules need more than the least */

/* Shared by the thread and the loop, which have one reference each. */
typedef struct Question {
        atomic_int refs;
        int done_fd; /* eventfd: the answer is there */
        int error;   /* of getaddrinfo() */
        struct addrinfo *answer;
        char name[];
} Question;

struct Resolve {
        Question *question;
        sd_event_source *source;
        ResolveHandler handler;
        void *userdata;
};

static void question_unref(Question *question)
{
        if (atomic_fetch_sub(&question->refs, 1) != 1)
                return;
        if (question->answer)
                freeaddrinfo(question->answer);
        fd_close(question->done_fd);
        free(question);
}

static Question *question_new(const char *name)
{
        size_t len = strlen(name);
        Question *question = calloc(1, sizeof(*question) + len + 1);

        if (!question)
                return NULL;
        question->refs = 1;
        memcpy(question->name, name, len);
        question->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (question->done_fd < 0) {
                free(question);
                return NULL;
        }
        return question;
}

static void *ask(void *arg)
{
        Question *question = arg;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

        question->error = getaddrinfo(question->name, NULL, &hints, &question->answer);
        (void)eventfd_write(question->done_fd, 1);
        question_unref(question);
        return NULL;
}

/* With all signals blocked: they are the loop's. */
static int start_thread(Question *question)
{
        pthread_attr_t attributes;
        pthread_t thread;
        sigset_t all, before;
        int r;

        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        atomic_fetch_add(&question->refs, 1);
        r = pthread_create(&thread, &attributes, ask, question);
        if (r != 0)
                atomic_fetch_sub(&question->refs, 1);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return -r;
}

static int on_done(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Resolve *resolve = userdata;
        Question *question = resolve->question;
        char text[RESOLVE_MAX][64];
        const char *addresses[RESOLVE_MAX];
        size_t n = 0;

        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        for (struct addrinfo *it = question->answer; it && n < RESOLVE_MAX; it = it->ai_next) {
                if (getnameinfo(
                            it->ai_addr, it->ai_addrlen, text[n], sizeof(text[n]), NULL, 0, NI_NUMERICHOST))
                        continue;
                addresses[n] = text[n];
                n++;
        }
        resolve->handler(resolve->userdata, addresses, n,
                question->error ? gai_strerror(question->error) : "no address");
        return 0;
}

int resolve_new(Resolve **out, sd_event *event, const char *name, ResolveHandler handler, void *userdata)
{
        Resolve *resolve = calloc(1, sizeof(*resolve));
        int r;

        if (!resolve)
                return -ENOMEM;
        resolve->handler = handler;
        resolve->userdata = userdata;
        resolve->question = question_new(name);
        r = resolve->question ? 0 : -ENOMEM;
        if (r >= 0)
                r = sd_event_add_io(
                        event, &resolve->source, resolve->question->done_fd, EPOLLIN, on_done, resolve);
        if (r >= 0)
                r = start_thread(resolve->question);
        if (r < 0) {
                resolve_free(resolve);
                return r;
        }
        *out = resolve;
        return 0;
}

Resolve *resolve_free(Resolve *resolve)
{
        if (!resolve)
                return NULL;
        sd_event_source_disable_unref(resolve->source);
        if (resolve->question)
                question_unref(resolve->question);
        free(resolve);
        return NULL;
}
