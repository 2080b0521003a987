#include "unit/lease-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "util/macros.h"
#include "util/random.h"
#include "util/text.h"

#define MAGIC UINT64_C(0x7a6b7375704c4631) /* the version is the last byte */
#define PREFIX "zksup-lease-"
#define TOKEN_DIGITS 16
#define RUN_DIRECTORY "/run/zksup"

typedef struct Head {
        uint64_t magic, token;
        uint64_t time_namespace; /* its inode, 0: the kernel has none */
        uint64_t spare[5];
} Head;

static size_t file_bytes(size_t words)
{
        return sizeof(Head) + words * sizeof(uint64_t);
}

static uint64_t time_namespace(void)
{
        struct stat st;

        return stat("/proc/self/ns/time", &st) == 0 ? st.st_ino : 0;
}

void lease_file_init(LeaseFile *f)
{
        memset(f, 0, sizeof(*f));
        f->fd = -1;
}

/* --- the writer --------------------------------------------------------------------------------- */

/* Whether a writer holds its lock. Asking takes none. */
static bool is_locked(int fd)
{
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

        return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
}

static bool is_name(const char *name)
{
        return text_has_prefix(name, PREFIX) && strlen(name) == strlen(PREFIX) + TOKEN_DIGITS;
}

/* Those of supervisors that were killed. A file has its name only once it is locked. */
static void remove_stale(int dir_fd)
{
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *d;

        if (!dir) {
                fd_close(fd);
                return;
        }
        while ((d = readdir(dir))) {
                CLEANUP_FD file = -1;
                struct stat st;

                if (!is_name(d->d_name))
                        continue;
                file = openat(dir_fd, d->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                if (file >= 0 && fstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !is_locked(file))
                        unlinkat(dir_fd, d->d_name, 0);
        }
        closedir(dir);
}

/* A directory on a tmpfs that others may search, or a negative errno. */
static int open_directory(const char *path)
{
        CLEANUP_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct statfs fs;
        struct stat st;
        int r = fd;

        if (fd < 0)
                return -errno;
        if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
                return -errno;
        if ((fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC) || !(st.st_mode & S_IXOTH))
                return -ENOTSUP;
        fd = -1;
        return r;
}

static int map(LeaseFile *f)
{
        Head *head = mmap(NULL, file_bytes(f->words), PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);

        if (head == MAP_FAILED)
                return -errno;
        f->deadlines = (uint64_t *)(void *)(head + 1);
        return 0;
}

/* Everything but the name. */
static int fill(LeaseFile *f, uint64_t token)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        Head head = {.magic = MAGIC, .token = token, .time_namespace = time_namespace()};
        int r;

        if (fchmod(f->fd, 0444) < 0 || ftruncate(f->fd, (off_t)file_bytes(f->words)) < 0 ||
                fcntl(f->fd, F_OFD_SETLK, &lock) < 0)
                return -errno;
        r = map(f);
        if (r == 0)
                memcpy((Head *)(void *)f->deadlines - 1, &head, sizeof(head));
        return r;
}

static int make_in(LeaseFile *f, const char *dir)
{
        CLEANUP_FD dir_fd = open_directory(dir);
        uint64_t token = random_seed_from_kernel();
        char name[48], hidden[48];
        int r;

        if (dir_fd < 0)
                return dir_fd;
        remove_stale(dir_fd);
        snprintf(hidden, sizeof(hidden), ".new-" PREFIX "%016" PRIx64, token);
        snprintf(name, sizeof(name), PREFIX "%016" PRIx64, token);
        if (snprintf(f->path, sizeof(f->path), "%s/%s", dir, name) >= (int)sizeof(f->path))
                return -ENAMETOOLONG;
        f->fd = openat(dir_fd, hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
        if (f->fd < 0)
                return -errno;
        r = fill(f, token);
        if (r == 0 && renameat(dir_fd, hidden, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(dir_fd, hidden, 0);
        return r;
}

static void release(LeaseFile *f)
{
        if (f->deadlines)
                munmap((Head *)(void *)f->deadlines - 1, file_bytes(f->words));
        fd_close(f->fd);
        lease_file_init(f);
}

int lease_file_make(LeaseFile *f, size_t words)
{
        const char *given = getenv("RUNTIME_DIRECTORY"); /* systemd.exec(5): several are separated by colons */
        CLEANUP_STRING first = given && *given == '/' ? strndup(given, strcspn(given, ":")) : NULL;
        const char *places[] = {first, RUN_DIRECTORY, "/dev/shm"};
        bool made = geteuid() == 0 && !first && mkdir(RUN_DIRECTORY, 0755) == 0;
        int r = -ENOENT;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                if (!places[i])
                        continue;
                lease_file_init(f);
                f->words = words;
                r = make_in(f, places[i]);
                if (r == 0)
                        break;
                release(f);
        }
        if (made)
                (void)rmdir(RUN_DIRECTORY); /* if it is of no use */
        return r;
}

int lease_file_adopt(LeaseFile *f, int fd, const char *path, size_t words)
{
        struct stat st;
        int r = -EINVAL;

        lease_file_init(f);
        f->fd = fd;
        f->words = words;
        if (strlen(path) < sizeof(f->path) && fstat(fd, &st) == 0 && (uint64_t)st.st_size == file_bytes(words))
                r = map(f);
        if (r < 0)
                release(f);
        else
                memcpy(f->path, path, strlen(path) + 1);
        return r;
}

void lease_file_close(LeaseFile *f)
{
        if (f->fd >= 0)
                unlink(f->path);
        release(f);
}

void lease_file_set(LeaseFile *f, size_t word, uint64_t deadline_usec)
{
        if (f->deadlines)
                __atomic_store_n(&f->deadlines[word], deadline_usec, __ATOMIC_RELEASE);
}

/* --- the reader --------------------------------------------------------------------------------- */

static bool parse_token(const char *path, uint64_t *token)
{
        const char *name = strrchr(path, '/');
        char *end;

        if (!name || path[0] != '/' || !is_name(name + 1))
                return false;
        *token = strtoull(name + 1 + strlen(PREFIX), &end, 16);
        return *end == '\0';
}

/* Whether FD is the file that its name says, and its writer is alive. */
static int check(int fd, uint64_t token, size_t word)
{
        struct stat st;
        Head head;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < file_bytes(word + 1) ||
                pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.magic != MAGIC || head.token != token ||
                !is_locked(fd))
                return -ESTALE;
        return head.time_namespace == time_namespace() ? 0 : -EXDEV;
}

int lease_file_read(const char *path, size_t word, uint64_t *deadline_usec)
{
        size_t page_size = (size_t)sysconf(_SC_PAGESIZE), at = sizeof(Head) + word * sizeof(uint64_t);
        CLEANUP_FD fd = -1;
        uint64_t token;
        char *page;
        int r;

        if (!parse_token(path, &token))
                return -ESTALE;
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = check(fd, token, word);
        if (r < 0)
                return r;
        page = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd, (off_t)(at / page_size * page_size));
        if (page == MAP_FAILED)
                return -errno;
        *deadline_usec = __atomic_load_n((const uint64_t *)(void *)(page + at % page_size), __ATOMIC_ACQUIRE);
        munmap(page, page_size);
        return 0;
}
