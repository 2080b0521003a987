#include "unit/lease-view.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "util/macros.h"
#include "util/text.h"

int lease_view_parse(LeaseView *view, const char *text)
{
        uint64_t *const fields[] = {&view->pid, &view->fd, &view->word, &view->inode};
        static const uint64_t limits[] = {INT_MAX, INT_MAX, UINT32_MAX, UINT64_MAX};
        size_t path_len;

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                size_t n = strcspn(text, ":");
                char digits[24];

                if (n >= sizeof(digits))
                        return -EINVAL;
                memcpy(digits, text, n);
                digits[n] = '\0';
                if (text_to_u64(digits, 0, limits[i], fields[i]) < 0)
                        return -EINVAL;
                text += n + (text[n] == ':');
        }
        path_len = strcspn(text, ":");
        if (path_len >= sizeof(view->path))
                return -EINVAL;
        memcpy(view->path, text, path_len);
        view->path[path_len] = '\0';
        return 0;
}

/* Whether FD is the page: its number on the one file system that all memfds are on. */
static bool is_the_page(const LeaseView *view, int fd)
{
        CLEANUP_FD ours = memfd_create("zksup-still-mine", MFD_CLOEXEC);
        struct stat page, mine;

        return ours >= 0 && fstat(ours, &mine) == 0 && fstat(fd, &page) == 0 && page.st_dev == mine.st_dev &&
                page.st_ino == view->inode && (uint64_t)page.st_size / sizeof(uint64_t) > view->word;
}

/* A time namespace may shift CLOCK_BOOTTIME. Not before Linux 5.6, where there is no such file. */
static bool is_in_our_time(uint64_t pid)
{
        char path[48];
        struct stat theirs, ours;

        snprintf(path, sizeof(path), "/proc/%" PRIu64 "/ns/time", pid);
        return stat(path, &theirs) < 0 || stat("/proc/self/ns/time", &ours) < 0 || theirs.st_ino == ours.st_ino;
}

/* Opens what process PID has open, if it is the page: O_PATH first, since opening some other file may do something.
 * Returns the descriptor or a negative errno. */
static int open_page(const LeaseView *view, uint64_t pid)
{
        CLEANUP_FD found = -1;
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%" PRIu64 "/fd/%" PRIu64, pid, view->fd);
        found = open(path, O_PATH | O_CLOEXEC);
        if (found < 0)
                return -errno;
        if (!is_the_page(view, found))
                return -ESTALE;
        if (!is_in_our_time(pid))
                return -EXDEV;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static const char *explain(int error)
{
        switch (error) {
        case -ENOENT:
        case -ESTALE:
                return "zksup has ended, or /proc does not show it";
        case -EACCES:
        case -EPERM:
                return "this process runs as another user than zksup, or with fewer capabilities";
        case -EXDEV:
                return "the clock is that of another time namespace";
        }
        return strerror(-error);
}

static int read_page(const LeaseView *view, uint64_t *deadline_usec)
{
        size_t page_size = (size_t)sysconf(_SC_PAGESIZE), at = view->word * sizeof(uint64_t);
        int r = open_page(view, view->pid);
        CLEANUP_FD fd = r == -ENOENT || r == -ESTALE ? open_page(view, 1) : r;
        char *page;

        if (fd < 0)
                return fd == -EXDEV ? fd : r;
        page = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd, (off_t)(at / page_size * page_size));
        if (page == MAP_FAILED)
                return -errno;
        *deadline_usec = __atomic_load_n((const uint64_t *)(void *)(page + at % page_size), __ATOMIC_ACQUIRE);
        munmap(page, page_size);
        return 0;
}

int lease_view_read(const LeaseView *view, uint64_t *deadline_usec, char *problem, size_t problem_size)
{
        int r = read_page(view, deadline_usec);

        if (r < 0 && r != -EXDEV && view->path[0])
                r = lease_file_read(view->path, view->word, deadline_usec);
        if (r < 0)
                snprintf(problem, problem_size, "cannot read the lease page of zksup (process %" PRIu64 "): %s", view->pid,
                        explain(r));
        return r;
}
