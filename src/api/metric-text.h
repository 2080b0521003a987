/* Lines of the OpenMetrics text format 1.0 and of Prometheus' text format 0.0.4. A family begins, its samples
 * follow, and the caller sees to it that a family comes once. The formats differ in where a counter has its
 * "_total", in types that the older one lacks, in "# UNIT" and "# EOF". */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "util/text.h"

enum MetricType {
        METRIC_GAUGE,
        METRIC_COUNTER,
        METRIC_HISTOGRAM,
        METRIC_SUMMARY,
        METRIC_INFO,
};

/* Zero-initialised but for OUT and OPENMETRICS. */
typedef struct MetricText {
        TextBuffer *out;
        bool openmetrics;
        const char *family; /* inside */
        enum MetricType type;
} MetricText;

/* NAME without "_total" and "_info"; UNIT is its last word, or NULL. HELP has no backslash and no newline. */
void metric_text_family(
        MetricText *text, const char *name, enum MetricType type, const char *unit, const char *help);
/* The sample up to its value. SUFFIX: "_bucket"...; "" for the only sample of a gauge or counter. LABELS and MORE
 * are label="value",... or NULL. */
void metric_text_sample(MetricText *text, const char *suffix, const char *labels, const char *more);
/* The value, and the end of the line. */
void metric_text_number(MetricText *text, uint64_t value);
void metric_text_seconds(MetricText *text, uint64_t usec);
void metric_text_end(MetricText *text);

/* name="VALUE" with backslash, quote and newline escaped, and what is no UTF-8 replaced. */
void metric_text_label(TextBuffer *out, const char *name, const char *value);
