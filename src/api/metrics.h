/* A snapshot as metrics: OpenMetrics 1.0 text, or Prometheus' older text format 0.0.4 for who asks for that; names
 * and labels are the same in both. Pure but for metrics_process_read(). man/zksup-api.5.scd lists them. */
#pragma once

#include <stdbool.h>
#include "api/snapshot.h"
#include "util/text.h"

/* Content-Type of each. */
#define METRICS_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"

typedef struct MetricsProcess {
        uint64_t cpu_usec, resident_bytes, virtual_bytes, open_descriptors, most_descriptors;
} MetricsProcess;

/* Of this process, from /proc; what cannot be read is 0 and left out. */
void metrics_process_read(MetricsProcess *process);

void metrics_render(TextBuffer *out, const Snapshot *snapshot, const MetricsProcess *process, bool openmetrics);

/* Whether an Accept header (NULL: none) prefers OpenMetrics, in a version that we know, to plain text. */
bool metrics_wants_openmetrics(const char *accept);
