#include "manager/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "util/log.h"

/* Made with systemd-id128, once and for all: people filter by them, and packaging/journal/zksup.catalog
 * explains each. A new event has a new one. */
static const char *const ids[LOG_EVENT_COUNT] = {
        [LOG_EVENT_CONNECTED] = "ae30fe82cde2411e9b75521888bf889f",
        [LOG_EVENT_NO_CONTACT] = "ef7ef677f12345b5993cce1e05eab2a7",
        [LOG_EVENT_NO_ENSEMBLE] = "74c0c1134f044d94bc1289710b07d8d9",
        [LOG_EVENT_SESSION_EXPIRED] = "5ea2e23be4e84bffaca0a55029cf44c5",
        [LOG_EVENT_REFUSED] = "bcbb0d3515ae4cc2a971592a7f9e6404",
        [LOG_EVENT_HOLD_ACQUIRED] = "504af9f91a764439a7c3e68df8653f1e",
        [LOG_EVENT_HOLD_LOST] = "c7e5a0684d074ab59064d8cf9af4960d",
        [LOG_EVENT_HOLD_RETURNED] = "b46f659bff844d2c9f0ae982698938f6",
        [LOG_EVENT_NOT_ACQUIRED] = "c553b83720d04fac9627db69734ac3dd",
        [LOG_EVENT_LEADERSHIP_WON] = "db92e662c5d5484d92896918c2bd75bc",
        [LOG_EVENT_LEADERSHIP_LOST] = "7d161aecd6704c96898ff8c5005f7ee1",
        [LOG_EVENT_LEASE_LOW] = "8d9e6eb8cb1f45dea106505491d0f141",
        [LOG_EVENT_UNIT_STARTED] = "7a5a711a18d04749a49163264841e6bf",
        [LOG_EVENT_UNIT_ENDED] = "ee97987c0f874bc9b3cd637848ddeca3",
        [LOG_EVENT_UNIT_FAILED] = "d54bf8dd626c42f391f12e308fd50866",
        [LOG_EVENT_UNIT_WEDGED] = "86931a0e623e4622a25734ab18d200b7",
        [LOG_EVENT_GUARD_LOST] = "c8421d5b9dba49dab2c1bbedde683f09",
        [LOG_EVENT_OUTPUT_DROPPED] = "81e210d10ed74c08bbca4ca6880970ec",
        [LOG_EVENT_RELOADED] = "5d28a5d83fc842bc9c259bf87d6db623",
        [LOG_EVENT_RELOAD_REFUSED] = "62c97ab8bfc648519abf6bbe01bcc848",
        [LOG_EVENT_REEXECUTED] = "62531a33fb234fd5b9c8ba0de13fe63a",
        [LOG_EVENT_REEXEC_FAILED] = "124e9f8ffa184be2baf19186d83b1441",
        [LOG_EVENT_STUCK] = "e4920426b6c548ab8fcfcd49583b6db0",
};

/* An entry in the journal's native protocol: a line NAME=VALUE for each field. */
typedef struct Entry {
        char text[5000];
        size_t len;
} Entry;

static void add(Entry *entry, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(Entry *entry, const char *fmt, ...)
{
        char *begin = entry->text + entry->len;
        size_t room = sizeof(entry->text) - entry->len - 1; /* and a newline */
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(begin, room, fmt, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= room)
                return; /* without it */
        for (char *p = begin; (p = strchr(p, '\n'));)
                *p = ' ';
        begin[n] = '\n';
        entry->len += (size_t)n + 1;
}

static void add_fields(Entry *entry, const LogFields *fields, const char *otherwise)
{
        if (ids[fields->event])
                add(entry, "MESSAGE_ID=%s", ids[fields->event]);
        if (fields->unit || otherwise)
                add(entry, "ZKSUP_UNIT=%s", fields->unit ? fields->unit : otherwise);
        if (fields->hold)
                add(entry, "ZKSUP_HOLD=%s", fields->hold);
        if (fields->token)
                add(entry, "ZKSUP_TOKEN=%" PRId64, fields->token);
        if (fields->session)
                add(entry, "ZKSUP_SESSION=0x%" PRIx64, fields->session);
        if (fields->reason)
                add(entry, "ZKSUP_REASON=%s", fields->reason);
}

/* sd_journal_send() would wait for a journal that is stuck, and the renewals with it. */
static void journal_sink(enum LogLevel level, const char *line, const LogFields *fields, void *userdata)
{
        static const struct sockaddr_un address = {
                .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
        static int fd = -1;
        Entry entry;

        entry.len = 0;
        add(&entry, "MESSAGE=%s", line);
        add(&entry, "PRIORITY=%d", (int)level);
        add(&entry, "SYSLOG_IDENTIFIER=zksup");
        add_fields(&entry, fields, userdata);
        if (fd < 0)
                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)sendto(
                fd, entry.text, entry.len, MSG_NOSIGNAL, (const struct sockaddr *)&address, sizeof(address));
}

static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        uint64_t device, inode;
        struct stat st;

        return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

bool journal_init(const char *unit)
{
        if (!stderr_is_journal())
                return false;
        log_set_field_sink(journal_sink, (void *)unit);
        return true;
}
