/* What a program before us has left of a unit that cannot go on, because what was saved does not fit: its command is
 * stopped by its guard, whose socket is closed. Once that has proved that nothing of it is left, the hold is given back, and the
 * place in line left, by the paths that were saved. Without that proof nothing is given back before the session ends. */
#pragma once

#include "client/client.h"
#include "unit/lease-page.h"
#include "util/list.h"
#include "util/saved.h"

typedef struct Orphan Orphan;

/* Nothing of it is left, here or at the ensemble; it is to be freed, also from inside. */
typedef void (*OrphanHandler)(Orphan *orphan, void *userdata);

/* SAVED: in the section of the unit. SLOT: of its guard in PAGE; below 0: it had none. Returns 0 or a negative errno. */
int orphan_new(Orphan **out, sd_event *event, Client *client, LeasePage *page, const Saved *saved, int slot,
        OrphanHandler handler, void *userdata);
Orphan *orphan_free(Orphan *orphan);
ListLink *orphan_link(Orphan *orphan);
Orphan *orphan_from_link(ListLink *link);
/* As in the configuration. */
const char *orphan_name(const Orphan *orphan);
