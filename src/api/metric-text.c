#include "api/metric-text.h"

#include <string.h>
#include "api/decimal.h"
#include "api/utf8.h"

static void put(MetricText *text, const char *s)
{
        text_buffer_append(text->out, s, strlen(s));
}

static const char *type_name(const MetricText *text)
{
        switch (text->type) {
        case METRIC_GAUGE:
                return "gauge";
        case METRIC_COUNTER:
                return "counter";
        case METRIC_HISTOGRAM:
                return "histogram";
        case METRIC_SUMMARY:
                return "summary";
        case METRIC_INFO:
                return text->openmetrics ? "info" : "gauge";
        }
        return "unknown";
}

/* The name in "# TYPE": of a family in OpenMetrics, of its samples before. */
static const char *family_suffix(const MetricText *text)
{
        if (text->openmetrics)
                return "";
        return text->type == METRIC_COUNTER ? "_total" : text->type == METRIC_INFO ? "_info" : "";
}

static void comment(MetricText *text, const char *word, const char *rest)
{
        put(text, "# ");
        put(text, word);
        put(text, " ");
        put(text, text->family);
        put(text, family_suffix(text));
        put(text, " ");
        put(text, rest);
        put(text, "\n");
}

void metric_text_family(
        MetricText *text, const char *name, enum MetricType type, const char *unit, const char *help)
{
        text->family = name;
        text->type = type;
        comment(text, "TYPE", type_name(text));
        if (unit && text->openmetrics)
                comment(text, "UNIT", unit);
        comment(text, "HELP", help);
}

void metric_text_sample(MetricText *text, const char *suffix, const char *labels, const char *more)
{
        put(text, text->family);
        put(text, *suffix == '\0' && text->type == METRIC_COUNTER ? "_total" : suffix);
        if (labels || more) {
                put(text, "{");
                put(text, labels ? labels : "");
                put(text, labels && more ? "," : "");
                put(text, more ? more : "");
                put(text, "}");
        }
        put(text, " ");
}

void metric_text_number(MetricText *text, uint64_t value)
{
        decimal_append(text->out, value);
        put(text, "\n");
}

void metric_text_seconds(MetricText *text, uint64_t usec)
{
        decimal_append_seconds(text->out, usec);
        put(text, "\n");
}

void metric_text_end(MetricText *text)
{
        if (text->openmetrics)
                put(text, "# EOF\n");
}

void metric_text_label(TextBuffer *out, const char *name, const char *value)
{
        const char *end = value + strlen(value);

        text_buffer_puts(out, name);
        text_buffer_puts(out, "=\"");
        for (const char *p = value; p < end;) {
                size_t n = utf8_length(p, (size_t)(end - p));

                if (*p == '\\' || *p == '"')
                        text_buffer_append(out, "\\", 1);
                if (n == 0)
                        text_buffer_puts(out, UTF8_REPLACEMENT);
                else if (*p == '\n')
                        text_buffer_puts(out, "\\n");
                else
                        text_buffer_append(out, p, n);
                p += n ? n : 1;
        }
        text_buffer_puts(out, "\"");
}
