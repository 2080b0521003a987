/* Log lines as journal entries with fields, when stderr is the journal's stream anyway (JOURNAL_STREAM,
 * systemd.exec(5)): MESSAGE, PRIORITY, SYSLOG_IDENTIFIER=zksup; ZKSUP_UNIT, ZKSUP_HOLD, ZKSUP_TOKEN,
 * ZKSUP_SESSION and ZKSUP_REASON where they are known; MESSAGE_ID for what operators act on. */
#pragma once

#include <stdbool.h>

/* Sets the sink of util/log.h if stderr is the journal; returns whether it is. UNIT is that of lines that
 * name none; NULL: there are many. It must stay. */
bool journal_init(const char *unit);
