#include "ensemble/zoo-config.h"

#include <inttypes.h>

#define SESSION_MAX_MS 60000

void zoo_config_write(const ZooConfig *config, const char *data_dir, size_t node, TextBuffer *out)
{
        uint64_t session_max_ms = MAX(20 * config->tick_ms, (uint64_t)SESSION_MAX_MS);

        text_buffer_printf(out, "tickTime=%" PRIu64 "\n", config->tick_ms);
        text_buffer_printf(out, "dataDir=%s\n", data_dir);
        text_buffer_printf(out, "clientPort=%u\n", config->ports[node].client);
        text_buffer_puts(out, "clientPortAddress=127.0.0.1\n");
        text_buffer_printf(out, "maxSessionTimeout=%" PRIu64 "\n", session_max_ms);
        /* The default limit of 60 connections for an address counts all clients of this host. */
        text_buffer_puts(out, "maxClientCnxns=0\n");
        /* Would listen on every address. */
        text_buffer_puts(out, "admin.enableServer=false\n");
        text_buffer_puts(out, "4lw.commands.whitelist=srvr,ruok,mntr,cons,stat\n");
        if (config->nodes == 1)
                return;
        text_buffer_puts(out, "initLimit=10\nsyncLimit=5\n");
        for (size_t i = 0; i < config->nodes; i++)
                text_buffer_printf(out, "server.%zu=127.0.0.1:%u:%u\n", i + 1, config->ports[i].peer,
                        config->ports[i].election);
}

void zoo_config_connect_string(const ZooConfig *config, TextBuffer *out)
{
        for (size_t i = 0; i < config->nodes; i++)
                text_buffer_printf(out, "%s127.0.0.1:%u", i ? "," : "", config->ports[i].client);
}
