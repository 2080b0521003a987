/* How the health of an ensemble is shown. */
#include <inttypes.h>
#include <string.h>
#include "ensemble/health.h"

#define NAME_WIDTH_MIN 15

static size_t count_mode(const Health *health, enum SrvrMode mode)
{
        size_t n = 0;

        for (size_t i = 0; i < health->n; i++)
                n += health->servers[i].problem[0] == '\0' && health->servers[i].srvr.mode == mode;
        return n;
}

static void conclude(const Health *health, TextBuffer *out)
{
        size_t standalone = count_mode(health, SRVR_STANDALONE), leaders = count_mode(health, SRVR_LEADER);

        text_buffer_printf(out, "%zu of %zu servers serve: %s\n", health->serving, health->n,
                health_has_quorum(health) ? "the ensemble is there" : "no majority, so nothing can be held");
        if (standalone && health->n > 1)
                text_buffer_printf(out,
                        "warning: %zu of them stand alone: what one stores the others do not see;"
                        " name the servers of one ensemble only\n",
                        standalone);
        if (leaders > 1)
                text_buffer_printf(out,
                        "warning: %zu leaders: an old one may not know yet; ask again, and if it stays so"
                        " the servers belong to different ensembles\n",
                        leaders);
}

void health_to_text(const Health *health, TextBuffer *out)
{
        int width = NAME_WIDTH_MIN;

        for (size_t i = 0; i < health->n; i++)
                width = MAX(width, (int)strlen(health->servers[i].name));
        text_buffer_printf(out, "%-*s %-11s %-8s   %-12s %7s %10s  %s\n", width, "SERVER", "MODE", "VERSION", "ZXID",
                "CLIENTS", "RECEIVED", "LATENCY ms (min/avg/max)");
        for (size_t i = 0; i < health->n; i++) {
                const HealthServer *s = &health->servers[i];

                if (s->problem[0])
                        text_buffer_printf(out, "%-*s %-11s %s\n", width, s->name, "-", s->problem);
                else
                        text_buffer_printf(out, "%-*s %-11s %-8s   0x%-10" PRIx64 " %7" PRIu64 " %10" PRIu64 "  %s\n",
                                width, s->name, srvr_mode_to_string(s->srvr.mode), s->srvr.version, s->srvr.zxid,
                                s->srvr.connections, s->srvr.received, s->srvr.latency);
        }
        conclude(health, out);
}

/* RFC 8259: quotes, backslashes and control characters are escaped. What comes from a server is
 * made ASCII, since nothing says in which encoding it is. */
static void put_string(TextBuffer *out, const char *text)
{
        text_buffer_puts(out, "\"");
        for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
                if (*p == '"' || *p == '\\')
                        text_buffer_printf(out, "\\%c", *p);
                else if (*p < 0x20 || *p >= 0x7f)
                        text_buffer_printf(out, "\\u%04x", *p);
                else
                        text_buffer_append(out, p, 1);
        }
        text_buffer_puts(out, "\"");
}

static void put_member(TextBuffer *out, const char *key, const char *text)
{
        text_buffer_printf(out, ", \"%s\": ", key);
        put_string(out, text);
}

static void server_to_json(const HealthServer *server, TextBuffer *out)
{
        const Srvr *srvr = &server->srvr;

        text_buffer_puts(out, "{\"server\": ");
        put_string(out, server->name);
        text_buffer_printf(out, ", \"serves\": %s",
                !server->problem[0] && srvr_mode_serves(srvr->mode) ? "true" : "false");
        if (server->problem[0]) {
                put_member(out, "problem", server->problem);
        } else {
                put_member(out, "mode", srvr_mode_to_string(srvr->mode));
                put_member(out, "version", srvr->version);
                put_member(out, "latency_ms", srvr->latency);
                /* A zxid has 64 bits, more than a JSON number carries everywhere. */
                text_buffer_printf(out, ", \"zxid\": \"0x%" PRIx64 "\"", srvr->zxid);
                text_buffer_printf(out, ", \"connections\": %" PRIu64 ", \"received\": %" PRIu64 ", \"sent\": %" PRIu64,
                        srvr->connections, srvr->received, srvr->sent);
                text_buffer_printf(out, ", \"outstanding\": %" PRIu64 ", \"nodes\": %" PRIu64, srvr->outstanding,
                        srvr->nodes);
        }
        text_buffer_puts(out, "}");
}

void health_to_json(const Health *health, TextBuffer *out)
{
        text_buffer_printf(out, "{\"quorum\": %s, \"serving\": %zu, \"servers\": [",
                health_has_quorum(health) ? "true" : "false", health->serving);
        for (size_t i = 0; i < health->n; i++) {
                text_buffer_puts(out, i ? ", " : "");
                server_to_json(&health->servers[i], out);
        }
        text_buffer_puts(out, "]}\n");
}
