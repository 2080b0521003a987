#include "unit/lease-page.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

struct LeasePage {
        int fd;
        unsigned slots, next; /* next: where to look for a free one */
        uint64_t inode;
        uint64_t *deadlines;
        bool *used;
};

static size_t page_bytes(unsigned slots)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 2 * slots * sizeof(uint64_t);

        return (bytes + page - 1) / page * page;
}

/* Once we have our mapping nobody gets another one to write. FUTURE_WRITE is of Linux 5.1; without it a
 * process of our own user could write, which could kill us as well. */
static void seal(int fd)
{
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK);
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
}

int lease_page_new(LeasePage **out, unsigned slots)
{
        CLEANUP(lease_page_free) LeasePage *p = NULL;
        struct stat st;

        if (slots == 0)
                return -EINVAL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->fd = -1;
        p->slots = slots;
        p->used = calloc(slots, sizeof(*p->used));
        if (!p->used)
                return -ENOMEM;
        p->fd = memfd_create("zksup-lease", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (p->fd < 0 || ftruncate(p->fd, (off_t)page_bytes(slots)) < 0 || fstat(p->fd, &st) < 0)
                return -errno;
        p->inode = st.st_ino;
        p->deadlines = mmap(NULL, page_bytes(slots), PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
        if (p->deadlines == MAP_FAILED) {
                p->deadlines = NULL;
                return -errno;
        }
        seal(p->fd);
        *out = TAKE(p);
        return 0;
}

LeasePage *lease_page_free(LeasePage *p)
{
        if (!p)
                return NULL;
        if (p->deadlines)
                munmap(p->deadlines, page_bytes(p->slots));
        fd_close(p->fd);
        free(p->used);
        free(p);
        return NULL;
}

int lease_page_fd(const LeasePage *p)
{
        return p->fd;
}

int lease_page_alloc_slot(LeasePage *p)
{
        for (unsigned i = 0; i < p->slots; i++) {
                unsigned slot = (p->next + i) % p->slots;

                if (p->used[slot])
                        continue;
                p->used[slot] = true;
                p->next = slot + 1;
                lease_page_set(p, slot, 0);
                return (int)slot;
        }
        return -ENOSPC;
}

void lease_page_free_slot(LeasePage *p, unsigned slot)
{
        lease_page_set(p, slot, 0);
        p->used[slot] = false;
}

void lease_page_set(LeasePage *p, unsigned slot, uint64_t deadline_usec)
{
        __atomic_store_n(&p->deadlines[slot], deadline_usec, __ATOMIC_RELEASE);
        __atomic_store_n(&p->deadlines[p->slots + slot], deadline_usec, __ATOMIC_RELEASE);
}

void lease_page_disown(LeasePage *p, unsigned slot)
{
        __atomic_store_n(&p->deadlines[p->slots + slot], 0, __ATOMIC_RELEASE);
}

uint64_t lease_page_get(const LeasePage *p, unsigned slot)
{
        return __atomic_load_n(&p->deadlines[slot], __ATOMIC_ACQUIRE);
}

void lease_page_env(const LeasePage *p, unsigned slot, char text[LEASE_PAGE_ENV_MAX])
{
        snprintf(text, LEASE_PAGE_ENV_MAX, LEASE_PAGE_ENV "=%d:%d:%u:%" PRIu64, (int)getpid(), p->fd, p->slots + slot,
                p->inode);
}
