/* What `zksup status` prints for people of what the supervisor says. */
#pragma once

#include "cli/control.h"
#include "cli/table.h"

/* A line about the supervisor, one about its session. */
void status_text_header(const json_t *status, const Style *style, FILE *file);
/* A line for each unit. */
void status_text_table(const json_t *units, const Style *style, FILE *file);
/* All about one. LOG: the answer of /v1/units/NAME/log, or NULL. */
void status_text_page(const json_t *unit, const json_t *log, const Style *style, FILE *file);
/* "ready", "waiting", ...: the state in one word, and how it is to be seen. */
const char *status_text_state(const json_t *unit, enum Colour *colour);
/* Whether it is as it is wanted: ready, waiting for its turn, or not wanted up. */
bool status_text_is_well(const json_t *unit);
