#include "manager/gate.h"

#include <errno.h>

int chain_gate_new(Gate **out, sd_event *event, Client *client, Heart *heart, const GateConfig *config)
{
        return -EOPNOTSUPP;
}
