/* The text of a record: who holds, on which host, with which lease. Lines of "key value"; other
 * versions may add keys, which are passed over. Anything that cannot be read counts as held with
 * the longest lease there is: whoever misreads must wait too long, never too short. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_TEXT_MAX 512

enum RecordState {
        RECORD_HELD,
        RECORD_WEDGED, /* the tree would not die: nobody takes over until told to */
};

typedef struct Record {
        enum RecordState state;
        uint64_t lease_usec; /* D of the holder; what is not known is TIMING_LEASE_MAX_USEC */
        uint64_t pid;
        char host[128];
        char boot_id[40];
        char unit[128];
} Record;

/* Writes the text into BUF and returns its length without the NUL. Control characters in the names
 * become '?'. */
size_t record_to_string(const Record *record, char buf[RECORD_TEXT_MAX]);

/* Never fails; see above. DATA need not end with NUL. Returns whether the text was understood. */
bool record_parse(const void *data, size_t len, Record *record);
