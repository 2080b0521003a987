#include "unit/readiness-notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include "util/macros.h"
#include "util/text.h"

static int make_directory(char **out)
{
        const char *bases[] = {getenv("XDG_RUNTIME_DIR"), geteuid() == 0 ? "/run" : NULL, "/tmp"};
        int r = -ENOENT;

        for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
                CLEANUP_STRING path = NULL;

                if (!bases[i] || bases[i][0] != '/')
                        continue;
                if (asprintf(&path, "%s/zksup-notify.XXXXXX", bases[i]) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                /* Room for "/socket" and NUL too. */
                if (strlen(path) + sizeof("/socket") <= sizeof(((struct sockaddr_un *)0)->sun_path) &&
                        mkdtemp(path)) {
                        *out = TAKE(path);
                        return 0;
                }
                r = -errno;
        }
        return r;
}

static int open_socket(NotifySocket *s)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int yes = 1;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", s->directory);
        if (asprintf(&s->env, "NOTIFY_SOCKET=%s", address.sun_path) < 0) {
                s->env = NULL;
                return -ENOMEM;
        }
        s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (s->fd < 0)
                return -errno;
        if (setsockopt(s->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0 ||
                bind(s->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

int readiness_notify_socket_init(NotifySocket *s)
{
        int r;

        *s = (NotifySocket){.fd = -1};
        r = make_directory(&s->directory);
        if (r == 0)
                r = open_socket(s);
        if (r < 0)
                readiness_notify_socket_deinit(s);
        return r;
}

void readiness_notify_socket_deinit(NotifySocket *s)
{
        s->fd = fd_close(s->fd);
        if (s->env)
                (void)unlink(s->env + strlen("NOTIFY_SOCKET="));
        if (s->directory)
                (void)rmdir(s->directory);
        free(TAKE(s->env));
        free(TAKE(s->directory));
}

int readiness_notify_socket_take(NotifySocket *s, const char *directory, int fd)
{
        NotifySocket taken = {.fd = fd, .directory = strdup(directory)};

        if (!taken.directory || asprintf(&taken.env, "NOTIFY_SOCKET=%s/socket", directory) < 0) {
                free(taken.directory);
                fd_close(fd);
                return -ENOMEM;
        }
        readiness_notify_socket_deinit(s);
        *s = taken;
        return 0;
}

/* Whether the sender is our user or root; closes descriptors that came along, which is what the
 * sender of BARRIER=1 waits for. */
static bool check_sender(struct msghdr *message)
{
        struct ucred sender;
        bool ours = false;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len >= CMSG_LEN(sizeof(sender))) {
                        memcpy(&sender, CMSG_DATA(c), sizeof(sender));
                        ours = sender.uid == 0 || sender.uid == geteuid();
                } else if (c->cmsg_type == SCM_RIGHTS) {
                        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                        for (size_t i = 0; i < n; i++) {
                                int fd;

                                memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                                (void)fd_close(fd);
                        }
                }
        }
        return ours;
}

int readiness_notify_socket_read(NotifySocket *s, char *buf, size_t size)
{
        union {
                char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(8 * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec part = {.iov_base = buf, .iov_len = size - 1};
        struct msghdr message = {.msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control)};
        ssize_t n;

        do
                n = recvmsg(s->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (!check_sender(&message) || (message.msg_flags & MSG_TRUNC))
                return 0;
        buf[n] = '\0';
        return (int)n;
}

static void copy_printable(char *out, size_t size, const char *text)
{
        size_t i = 0;

        for (; text[i] && i + 1 < size; i++)
                out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
        out[i] = '\0';
}

bool readiness_notify_next_word(char **text, enum NotifyWord *word, char status[NOTIFY_STATUS_MAX])
{
        char *line = *text;
        size_t len = strcspn(line, "\n");

        if (*line == '\0')
                return false;
        *text = line + len + (line[len] == '\n');
        line[len] = '\0';
        *word = NOTIFY_WORD_NONE;
        if (strcmp(line, "READY=1") == 0) {
                *word = NOTIFY_WORD_READY;
        } else if (strcmp(line, "RELOADING=1") == 0) {
                *word = NOTIFY_WORD_RELOADING;
        } else if (strcmp(line, "STOPPING=1") == 0) {
                *word = NOTIFY_WORD_STOPPING;
        } else if (text_has_prefix(line, "STATUS=")) {
                *word = NOTIFY_WORD_STATUS;
                copy_printable(status, NOTIFY_STATUS_MAX, line + strlen("STATUS="));
        }
        return true;
}
