/* The faults that random schedules are made of. Each begins and, some time later, ends; FAULT is
 * its number, below fault_count(). */
#pragma once

#include "sim/schedule.h"

unsigned fault_count(const World *world);
const char *fault_name(unsigned fault);
/* HOST and SERVER are those it happens to, where it happens to one. */
void fault_set(World *world, unsigned fault, unsigned host, unsigned server, bool begins);
