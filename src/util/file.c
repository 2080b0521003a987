#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "util/macros.h"

int file_read(const char *path, size_t max, char **data, size_t *len)
{
        CLEANUP_STRING buf = NULL;
        CLEANUP_FD fd = -1;
        size_t size = 0, room = 0;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t n;

                if (size == room) {
                        char *bigger;

                        room = room ? room * 2 : 4096;
                        bigger = realloc(buf, room + 1);
                        if (!bigger)
                                return -ENOMEM;
                        buf = bigger;
                }
                n = read(fd, buf + size, room - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size > max)
                        return -EFBIG;
        }
        buf[size] = '\0';
        if (len)
                *len = size;
        *data = TAKE(buf);
        return 0;
}

int file_write_all(int fd, const void *data, size_t len)
{
        const char *p = data;

        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode)
{
        CLEANUP_STRING temp = NULL;
        CLEANUP_FD fd = -1;
        int r;

        if (asprintf(&temp, "%s.XXXXXX", path) < 0) {
                temp = NULL;
                return -ENOMEM;
        }
        fd = mkostemp(temp, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = file_write_all(fd, data, len);
        if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temp, path) < 0))
                r = -errno;
        if (r < 0)
                unlink(temp);
        return r;
}
