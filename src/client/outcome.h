/* What a return code of the ZooKeeper client means to a recipe: the only place that knows. */
#pragma once

#include "recipe/outcome.h"

/* RC is one of ZOO_ERRORS. A code that this version does not know is UNKNOWN: only what is certain
 * to have had no effect may be called anything else. */
enum Outcome outcome_from_zookeeper(int rc);
