/* What `zksup who` prints for people of what cluster.h has read. */
#pragma once

#include <jansson.h>
#include "cli/table.h"

/* Returns whether there was anything to print. */
bool who_text_print(const json_t *cluster, const Style *style, FILE *file);
