#include "unit/drop-report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "util/clock.h"
#include "util/log.h"

#define SAY_AGAIN_USEC (60 * USEC_PER_SEC)

static const char *describe(int error)
{
        return error == EAGAIN      ? "its reader is stuck"
               : error == ETIMEDOUT ? "its file system does not answer"
                                    : strerror(error);
}

void drop_report_fail(DropReport *report, const char *place, int error, uint64_t lines)
{
        uint64_t now;

        report->lines += lines;
        if (report->failing)
                return;
        report->failing = true;
        now = clock_boottime_usec();
        if (report->said_usec && now - report->said_usec < SAY_AGAIN_USEC)
                return;
        report->said_usec = now;
        report->said = true;
        log_write_fields(LOG_LEVEL_WARNING,
                &(LogFields){.event = LOG_EVENT_OUTPUT_DROPPED, .reason = describe(error)},
                "cannot write to %s: %s; what commands print there is dropped until it can be written", place,
                describe(error));
}

void drop_report_work(DropReport *report, const char *place)
{
        if (!report->failing)
                return;
        report->failing = false;
        if (!report->said)
                return;
        log_notice("%s can be written again; %" PRIu64 " lines were dropped", place, report->lines);
        report->said = false;
        report->lines = 0;
}
