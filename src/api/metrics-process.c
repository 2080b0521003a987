#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "api/metrics.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/macros.h"

static uint64_t usec_of(struct timeval t)
{
        return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_usec;
}

/* Linux 6.2 and later say it in the size of the directory (proc_pid_fd(5)); before, it is read. */
static uint64_t count_descriptors(void)
{
        struct stat st;
        uint64_t n = 0;
        DIR *dir;

        if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
                return (uint64_t)st.st_size;
        dir = opendir("/proc/self/fd");
        if (!dir)
                return 0;
        for (struct dirent *entry; (entry = readdir(dir));)
                n += entry->d_name[0] != '.';
        closedir(dir);
        return n - 1; /* the directory's own */
}

void metrics_process_read(MetricsProcess *process)
{
        CLEANUP_STRING text = NULL;
        unsigned long long virtual_pages, resident_pages;
        struct rusage usage;
        struct rlimit limit;

        *process = (MetricsProcess){.open_descriptors = count_descriptors()};
        if (getrusage(RUSAGE_SELF, &usage) == 0)
                process->cpu_usec = usec_of(usage.ru_utime) + usec_of(usage.ru_stime);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
                process->most_descriptors = limit.rlim_cur;
        if (file_read("/proc/self/statm", 4096, &text, NULL) == 0 &&
                sscanf(text, "%llu %llu", &virtual_pages, &resident_pages) == 2) {
                uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

                process->virtual_bytes = virtual_pages * page;
                process->resident_bytes = resident_pages * page;
        }
}
