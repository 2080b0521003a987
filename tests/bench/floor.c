/* The floor: what any program pays that holds something in ZooKeeper for a moment. Connects, makes
 * one ephemeral znode, closes the session; nothing else. `floor HOST:PORT PATH` */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <zookeeper/zookeeper.h>

static bool connected, failed, created;

static void on_session(zhandle_t *zh, int type, int state, const char *path, void *context)
{
        if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE)
                connected = true;
}

static void on_created(int rc, const char *value, const void *data)
{
        created = true;
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

int main(int argc, char **argv)
{
        zhandle_t *zh;

        if (argc != 3)
                return 125;
        zoo_set_debug_level(0);
        zh = zookeeper_init(argv[1], on_session, 15000, NULL, NULL, 0);
        if (!zh)
                return 1;
        while (!connected)
                if (!turn(zh))
                        return 1;
        if (zoo_acreate(zh, argv[2], "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, on_created, NULL) != ZOK)
                return 1;
        while (!created)
                if (!turn(zh))
                        return 1;
        return failed || zookeeper_close(zh) != ZOK;
}
