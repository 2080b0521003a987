/* What records say about who we are: the host, its boot, our process. */
#pragma once

#include "recipe/record.h"

/* A record that says HELD by the unit NAME of this process. */
Record identity_record(const char *name);
