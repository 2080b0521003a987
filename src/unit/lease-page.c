#include "unit/lease-page.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

struct LeasePage {
        int fd;
        unsigned slots, next; /* next: where to look for a free one */
        uint64_t *deadlines;
        bool *used;
};

static size_t page_bytes(unsigned slots)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = slots * sizeof(uint64_t);

        return (bytes + page - 1) / page * page;
}

int lease_page_new(LeasePage **out, unsigned slots)
{
        CLEANUP(lease_page_free) LeasePage *p = NULL;

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
        p->fd = memfd_create("zksup-lease", MFD_CLOEXEC);
        if (p->fd < 0 || ftruncate(p->fd, (off_t)page_bytes(slots)) < 0)
                return -errno;
        p->deadlines = mmap(NULL, page_bytes(slots), PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
        if (p->deadlines == MAP_FAILED) {
                p->deadlines = NULL;
                return -errno;
        }
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
}

uint64_t lease_page_get(const LeasePage *p, unsigned slot)
{
        return __atomic_load_n(&p->deadlines[slot], __ATOMIC_ACQUIRE);
}
