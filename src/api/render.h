/* A snapshot as JSON, in the shapes that zksup-api(5) describes. Keys are only ever added. */
#pragma once

#include "api/snapshot.h"
#include "util/text.h"

enum RenderDepth {
        RENDER_SHORT, /* what a table of units shows */
        RENDER_FULL,  /* and gates, counters, where it is described */
};

/* {"supervisor": {...}, "session": {...}, "units": [...]} */
void render_units(TextBuffer *out, const Snapshot *snapshot, enum RenderDepth depth);
/* The object of one unit; NOW_USEC for how long something has lasted. */
void render_unit(TextBuffer *out, const SnapshotUnit *unit, uint64_t now_usec, enum RenderDepth depth);
/* {"supervisor": {...}, "session": {...}} */
void render_session(TextBuffer *out, const Snapshot *snapshot);
/* The object of the session alone. */
void render_session_object(TextBuffer *out, const SnapshotSession *session, uint64_t now_usec);
/* {"ok": true, "summary": "..."} */
void render_reload(TextBuffer *out, bool ok, const char *summary);
/* {"error": "..."} */
void render_error(TextBuffer *out, const char *text);
