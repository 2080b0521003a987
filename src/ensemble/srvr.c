#include "ensemble/srvr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/macros.h"
#include "util/text.h"

static enum SrvrMode parse_mode(const char *value)
{
        static const enum SrvrMode modes[] = {
                SRVR_STANDALONE, SRVR_LEADER, SRVR_FOLLOWER, SRVR_OBSERVER, SRVR_READ_ONLY};

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
                if (strcmp(value, srvr_mode_to_string(modes[i])) == 0)
                        return modes[i];
        return SRVR_NOT_ZOOKEEPER;
}

static void copy(char *to, size_t size, const char *from, size_t len)
{
        snprintf(to, size, "%.*s", (int)MIN(len, size - 1), from);
}

static void parse_line(Srvr *srvr, const char *key, const char *value)
{
        const struct {
                const char *key;
                uint64_t *number;
        } numbers[] = {
                {"Received", &srvr->received},
                {"Sent", &srvr->sent},
                {"Connections", &srvr->connections},
                {"Outstanding", &srvr->outstanding},
                {"Node count", &srvr->nodes},
                {"Zxid", &srvr->zxid},
        };

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                if (strcmp(key, numbers[i].key) == 0)
                        *numbers[i].number = strtoull(value, NULL, 0); /* Zxid is in hexadecimal */
        if (strcmp(key, "Mode") == 0)
                srvr->mode = parse_mode(value);
        else if (strcmp(key, "Zookeeper version") == 0)
                copy(srvr->version, sizeof(srvr->version), value, strcspn(value, "-, "));
        else if (text_has_prefix(key, "Latency"))
                copy(srvr->latency, sizeof(srvr->latency), value, strlen(value));
}

void srvr_parse(Srvr *srvr, const char *answer)
{
        CLEANUP_STRING text = strdup(answer);
        char *rest = text, *line;

        *srvr = (Srvr){.mode = SRVR_NOT_ZOOKEEPER};
        if (strstr(answer, "not currently serving"))
                srvr->mode = SRVR_NOT_SERVING;
        else if (strstr(answer, "not in the whitelist"))
                srvr->mode = SRVR_NOT_ALLOWED;
        while (rest && (line = strsep(&rest, "\r\n"))) {
                char *colon = strstr(line, ": ");

                if (!colon)
                        continue;
                *colon = '\0';
                parse_line(srvr, line, colon + 2);
        }
}

const char *srvr_mode_to_string(enum SrvrMode mode)
{
        switch (mode) {
        case SRVR_NOT_SERVING:
                return "not serving";
        case SRVR_NOT_ALLOWED:
                return "not allowed";
        case SRVR_NOT_ZOOKEEPER:
                return "no ZooKeeper";
        case SRVR_STANDALONE:
                return "standalone";
        case SRVR_LEADER:
                return "leader";
        case SRVR_FOLLOWER:
                return "follower";
        case SRVR_OBSERVER:
                return "observer";
        case SRVR_READ_ONLY:
                return "read-only";
        }
        return "?";
}

int srvr_mode_serves(enum SrvrMode mode)
{
        switch (mode) {
        case SRVR_STANDALONE:
        case SRVR_LEADER:
        case SRVR_FOLLOWER:
        case SRVR_OBSERVER:
                return 1;
        case SRVR_NOT_SERVING:
        case SRVR_NOT_ALLOWED:
        case SRVR_NOT_ZOOKEEPER:
        case SRVR_READ_ONLY:
                return 0;
        }
        return 0;
}
