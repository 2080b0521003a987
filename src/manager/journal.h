/* Log lines as journal entries with fields, when stderr is the journal's stream anyway
 * (JOURNAL_STREAM, systemd.exec(5)): MESSAGE, PRIORITY, SYSLOG_IDENTIFIER=zksup, ZKSUP_UNIT. */
#pragma once

#include <stdbool.h>

/* Sets the sink of util/log.h if stderr is the journal; returns whether it is. UNIT must stay. */
bool journal_init(const char *unit);
