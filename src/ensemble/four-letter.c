#include "ensemble/four-letter.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "util/clock.h"

#define ANSWER_MAX (256 * 1024)

static bool is_done(const FourLetter *a)
{
        return a->fd < 0;
}

static void finish(FourLetter *a, int result)
{
        a->fd = fd_close(a->fd);
        a->result = result;
}

/* Starts with the next address that lets a connection begin; the last failure is the result. */
static void start(FourLetter *a, int last_failure)
{
        a->fd = fd_close(a->fd);
        a->sent = 0;
        a->result = last_failure;
        for (; a->address; a->address = a->address->ai_next) {
                int fd = socket(a->address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

                if (fd < 0) {
                        a->result = -errno;
                        continue;
                }
                if (connect(fd, a->address->ai_addr, a->address->ai_addrlen) < 0 && errno != EINPROGRESS) {
                        a->result = -errno;
                        close(fd);
                        continue;
                }
                a->fd = fd;
                a->address = a->address->ai_next; /* for the next attempt */
                return;
        }
}

static void on_writable(FourLetter *a, const char *word)
{
        int error = 0;
        socklen_t len = sizeof(error);
        ssize_t n;

        if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
                error = errno;
        if (error) {
                start(a, -error);
                return;
        }
        n = send(a->fd, word + a->sent, strlen(word) - a->sent, MSG_NOSIGNAL);
        if (n >= 0)
                a->sent += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
                start(a, -errno);
}

static void on_readable(FourLetter *a)
{
        char chunk[4096];
        ssize_t n = recv(a->fd, chunk, sizeof(chunk), 0);

        if (n > 0 && a->answer.len + (size_t)n <= ANSWER_MAX)
                text_buffer_append(&a->answer, chunk, (size_t)n);
        else if (n > 0)
                finish(a, -EFBIG);
        else if (n == 0)
                finish(a, a->answer.failed ? -ENOMEM : a->answer.len ? 0 : -ENODATA);
        else if (errno != EAGAIN && errno != EINTR)
                finish(a, -errno);
}

static size_t fill(struct pollfd *fds, const FourLetter *asked, size_t n, size_t word_len)
{
        size_t open = 0;

        for (size_t i = 0; i < n; i++) {
                fds[i] = (struct pollfd){.fd = asked[i].fd, .events = asked[i].sent < word_len ? POLLOUT : POLLIN};
                open += !is_done(&asked[i]);
        }
        return open;
}

int four_letter_ask(FourLetter *asked, size_t n, const char *word, uint64_t timeout_usec)
{
        uint64_t deadline_usec = usec_add(clock_boottime_usec(), timeout_usec), now_usec;
        CLEANUP(free) char *memory = calloc(n ? n : 1, sizeof(struct pollfd));
        struct pollfd *fds = (struct pollfd *)(void *)memory;

        if (!fds)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                asked[i].fd = -1;
                start(&asked[i], -EHOSTUNREACH);
        }
        while (fill(fds, asked, n, strlen(word)) > 0 && (now_usec = clock_boottime_usec()) < deadline_usec) {
                /* Rounded up, so that the last turn does not spin. */
                int left_ms = (int)MIN((deadline_usec - now_usec) / USEC_PER_MSEC + 1, 60000U);

                if (poll(fds, n, left_ms) < 0 && errno != EINTR)
                        break;
                for (size_t i = 0; i < n; i++) {
                        if (is_done(&asked[i]) || !fds[i].revents)
                                continue;
                        if (fds[i].events & POLLOUT)
                                on_writable(&asked[i], word);
                        else
                                on_readable(&asked[i]);
                }
        }
        for (size_t i = 0; i < n; i++)
                if (!is_done(&asked[i]))
                        finish(&asked[i], -ETIMEDOUT);
        return 0;
}

void four_letter_deinit(FourLetter *asked)
{
        asked->fd = fd_close(asked->fd);
        text_buffer_deinit(&asked->answer);
}
