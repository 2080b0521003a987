/* A section as written, turned into settings by the table; and what must fit together. */
#pragma once

#include "config/raw.h"
#include "config/schema.h"

/* Reads the settings of SECTION that may stand in PLACE into DRAFT; strings belong to ARENA. With TELL what is
 * wrong is appended to the problems of RAW; without, it is passed over (it was told before). */
void section_apply(const RawSection *section, enum SchemaPlace place, Arena *arena, SchemaDraft *draft, Raw *raw,
        bool tell);
/* Of a unit whose settings are all read: what does not fit together, is missing or has no effect; and what follows from
 * several of them. Returns 0 or -ENOMEM. */
int section_check_unit(const RawSection *section, const RawSection *defaults, SchemaDraft *draft, Raw *raw);
void section_check_global(const RawSection *section, const SchemaDraft *draft, Raw *raw);
