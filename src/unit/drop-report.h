/* Says that a place cannot be written, and that it can again: once each, and at most once a minute, as a
 * place that is slow rather than broken would otherwise fill the log with it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct DropReport {
        bool failing, said;
        uint64_t said_usec; /* 0: never */
        uint64_t lines;     /* dropped since it was said */
} DropReport;

/* PLACE: "/var/log/web.log", "standard output". ERROR: a positive errno. */
void drop_report_fail(DropReport *report, const char *place, int error, uint64_t lines);
void drop_report_work(DropReport *report, const char *place);
