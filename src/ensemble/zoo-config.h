/* The text of a server's zoo.cfg. Pure: numbers in, text out. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "util/text.h"

#define ENSEMBLE_NODES_MAX 3

typedef struct ZooPorts {
        uint16_t client, peer, election;
} ZooPorts;

typedef struct ZooConfig {
        size_t nodes;      /* 1 (standalone) or 3 */
        uint64_t tick_ms;  /* the server's unit of time: sessions are 2 to 20 ticks or 60 s, whichever is more */
        ZooPorts ports[ENSEMBLE_NODES_MAX];
} ZooConfig;

/* Appends the file of server NODE (from 0), which keeps its data in DATA_DIR. */
void zoo_config_write(const ZooConfig *config, const char *data_dir, size_t node, TextBuffer *out);
/* Appends "127.0.0.1:PORT,...". */
void zoo_config_connect_string(const ZooConfig *config, TextBuffer *out);
