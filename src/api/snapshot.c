#include "api/snapshot.h"

const double snapshot_wait_bounds[SNAPSHOT_WAIT_BUCKETS] = {0.01, 0.1, 1, 10, 60, 600, 3600, 86400};
