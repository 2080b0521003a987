/* Numbers as text, without printf, which counts when there are a thousand units with twenty numbers each. */
#pragma once

#include <stdint.h>
#include "util/text.h"

void decimal_append(TextBuffer *out, uint64_t value);
/* USEC as seconds with a fraction, never with an exponent: "1.5", "0.000001". */
void decimal_append_seconds(TextBuffer *out, uint64_t usec);
