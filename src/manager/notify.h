/* What zksup tells the service manager that started it (sd_notify(3)). The variables are taken out
 * of the environment first: a child that is not asked to notify us must not notify in our place.
 *
 * Never waits: what the service manager's queue has no room for is dropped, but for READY=1, without which
 * the start would never end: that goes before the next message, the sign of life for one. */
#pragma once

#include <stdint.h>

void notify_init(void);
/* Puts the variables back, for a program that takes our place; notify_init() takes them out again. */
void notify_put_back(void);

void notify_ready(void);
void notify_reloading(void); /* until notify_ready() */
void notify_stopping(void);
/* How often a sign of life is wanted at the latest (WATCHDOG_USEC); 0: none is. */
uint64_t notify_watchdog_usec(void);
void notify_watchdog(void);
void notify_status(const char *text);
