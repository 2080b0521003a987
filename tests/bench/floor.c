/* The floor: what any program pays that holds something in ZooKeeper for a moment, and nothing else.
 *
 *     floor HOST:PORT PATH         connects, makes one ephemeral znode, closes the session
 *     floor HOST:PORT PATH lock    connects, stands in the queue PATH, looks at it, leaves it, closes:
 *                                  the requests of a lock that is free */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

static bool connected, failed, answered;
static char node[1024];

static void on_session(zhandle_t *zh, int type, int state, const char *path, void *context)
{
        if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE)
                connected = true;
}

static void on_created(int rc, const char *value, const void *data)
{
        answered = true;
        failed = rc != ZOK;
        snprintf(node, sizeof(node), "%s", failed ? "" : value);
}

static void on_list(int rc, const struct String_vector *names, const void *data)
{
        answered = true;
        failed = rc != ZOK;
}

static void on_deleted(int rc, const void *data)
{
        answered = true;
        failed = rc != ZOK;
}

static bool turn(zhandle_t *zh)
{
        struct pollfd pfd;
        struct timeval tv;
        int interest = 0, events = 0, r;

        r = zookeeper_interest(zh, &pfd.fd, &interest, &tv);
        if (r != ZOK)
                return false;
        pfd.events = (short)((interest & ZOOKEEPER_READ ? POLLIN : 0) | (interest & ZOOKEEPER_WRITE ? POLLOUT : 0));
        if (poll(&pfd, 1, (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000)) > 0)
                events = (pfd.revents & POLLIN ? ZOOKEEPER_READ : 0) | (pfd.revents & POLLOUT ? ZOOKEEPER_WRITE : 0);
        r = zookeeper_process(zh, events);
        return r == ZOK || r == ZNOTHING;
}

/* R: of the request. Returns whether it was granted. */
static bool await_answer(zhandle_t *zh, int r)
{
        answered = false;
        failed = r != ZOK;
        while (!failed && !answered)
                if (!turn(zh))
                        return false;
        return !failed;
}

static bool hold(zhandle_t *zh, const char *path)
{
        return await_answer(zh, zoo_acreate(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, on_created, NULL));
}

static bool hold_lock(zhandle_t *zh, const char *queue)
{
        char path[512];

        snprintf(path, sizeof(path), "%s/lock-", queue);
        return await_answer(zh, zoo_acreate(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE,
                                        ZOO_EPHEMERAL | ZOO_SEQUENCE, on_created, NULL)) &&
                await_answer(zh, zoo_aget_children(zh, queue, 0, on_list, NULL)) &&
                await_answer(zh, zoo_adelete(zh, node, -1, on_deleted, NULL));
}

int main(int argc, char **argv)
{
        bool lock = argc == 4 && strcmp(argv[3], "lock") == 0;
        zhandle_t *zh;

        if (argc != 3 && !lock)
                return 125;
        zoo_set_debug_level(0);
        zh = zookeeper_init(argv[1], on_session, 15000, NULL, NULL, 0);
        if (!zh)
                return 1;
        while (!connected)
                if (!turn(zh))
                        return 1;
        if (!(lock ? hold_lock(zh, argv[2]) : hold(zh, argv[2])))
                return 1;
        return zookeeper_close(zh) != ZOK;
}
