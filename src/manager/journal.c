#define SD_JOURNAL_SUPPRESS_LOCATION /* of journal.c, which would be of no use to anybody */
#include "manager/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include "util/log.h"

static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        uint64_t device, inode;
        struct stat st;

        return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
                fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void journal_sink(enum LogLevel level, const char *line, void *userdata)
{
        (void)sd_journal_send("MESSAGE=%s", line, "PRIORITY=%i", (int)level, "SYSLOG_IDENTIFIER=zksup", "ZKSUP_UNIT=%s",
                (const char *)userdata, NULL);
}

bool journal_init(const char *unit)
{
        if (!stderr_is_journal())
                return false;
        log_set_sink(journal_sink, (void *)unit);
        return true;
}
