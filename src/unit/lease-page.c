#include "unit/lease-page.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "unit/lease-file.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

struct LeasePage {
        int fd;
        unsigned slots, next; /* next: where to look for a free one */
        uint64_t inode;
        uint64_t *deadlines;
        bool *used;
        LeaseFile file;
};

static size_t page_bytes(unsigned slots)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 2 * slots * sizeof(uint64_t);

        return (bytes + page - 1) / page * page;
}

/* Once we have our mapping nobody gets another one to write, unless it is LASTING. FUTURE_WRITE is of Linux 5.1; without it
 * a process of our own user could write, which could kill us as well. */
static void seal(int fd, bool lasting)
{
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK);
        if (!lasting)
                (void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
}

static int allocate(LeasePage **out, unsigned slots)
{
        LeasePage *p;

        if (slots == 0)
                return -EINVAL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->fd = -1;
        lease_file_init(&p->file);
        p->slots = slots;
        *out = p;
        p->used = calloc(slots, sizeof(*p->used));
        return p->used ? 0 : -ENOMEM;
}

static int map(LeasePage *p, const struct stat *st)
{
        p->inode = st->st_ino;
        p->deadlines = mmap(NULL, page_bytes(p->slots), PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
        if (p->deadlines != MAP_FAILED)
                return 0;
        p->deadlines = NULL;
        return -errno;
}

static int make(LeasePage **out, unsigned slots, bool lasting)
{
        CLEANUP(lease_page_free) LeasePage *p = NULL;
        struct stat st;
        int r = allocate(&p, slots);

        if (r < 0)
                return r;
        p->fd = memfd_create("zksup-lease", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (p->fd < 0 || ftruncate(p->fd, (off_t)page_bytes(slots)) < 0 || fstat(p->fd, &st) < 0)
                return -errno;
        r = map(p, &st);
        if (r < 0)
                return r;
        seal(p->fd, lasting);
        *out = TAKE(p);
        return 0;
}

int lease_page_new(LeasePage **out, unsigned slots)
{
        return make(out, slots, false);
}

int lease_page_new_lasting(LeasePage **out, unsigned slots)
{
        return make(out, slots, true);
}

int lease_page_adopt(LeasePage **out, int fd, unsigned slots)
{
        CLEANUP(lease_page_free) LeasePage *p = NULL;
        CLEANUP_FD ours = fd;
        struct stat st;
        int r = allocate(&p, slots);

        if (r < 0)
                return r;
        if (fstat(ours, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size != page_bytes(slots))
                return -EINVAL;
        p->fd = ours;
        ours = -1;
        r = map(p, &st);
        if (r < 0)
                return r;
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
        lease_file_close(&p->file);
        free(p->used);
        free(p);
        return NULL;
}

unsigned lease_page_slots(const LeasePage *p)
{
        return p->slots;
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

int lease_page_take_slot(LeasePage *p, unsigned slot)
{
        if (slot >= p->slots || p->used[slot])
                return -EBUSY;
        p->used[slot] = true;
        return 0;
}

bool lease_page_is_taken(const LeasePage *p, unsigned slot)
{
        return slot < p->slots && p->used[slot];
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
        lease_file_set(&p->file, p->slots + slot, deadline_usec);
}

void lease_page_disown(LeasePage *p, unsigned slot)
{
        __atomic_store_n(&p->deadlines[p->slots + slot], 0, __ATOMIC_RELEASE);
        lease_file_set(&p->file, p->slots + slot, 0);
}

uint64_t lease_page_get(const LeasePage *p, unsigned slot)
{
        return __atomic_load_n(&p->deadlines[slot], __ATOMIC_ACQUIRE);
}

int lease_page_publish(LeasePage *p)
{
        int r;

        if (p->file.fd >= 0)
                return 0;
        r = lease_file_make(&p->file, 2 * (size_t)p->slots);
        for (unsigned i = 0; r == 0 && i < p->slots; i++)
                if (p->used[i])
                        lease_file_set(&p->file, p->slots + i,
                                __atomic_load_n(&p->deadlines[p->slots + i], __ATOMIC_ACQUIRE));
        return r;
}

const char *lease_page_file(const LeasePage *p, int *fd)
{
        *fd = p->file.fd;
        return p->file.fd >= 0 ? p->file.path : NULL;
}

int lease_page_adopt_file(LeasePage *p, int fd, const char *path)
{
        return lease_file_adopt(&p->file, fd, path, 2 * (size_t)p->slots);
}

void lease_page_env(const LeasePage *p, unsigned slot, char text[LEASE_PAGE_ENV_MAX])
{
        snprintf(text, LEASE_PAGE_ENV_MAX, LEASE_PAGE_ENV "=%d:%d:%u:%" PRIu64 "%s%s", (int)getpid(), p->fd,
                p->slots + slot, p->inode, p->file.fd >= 0 ? ":" : "", p->file.fd >= 0 ? p->file.path : "");
}
