/* What zksup tells the service manager that started it (sd_notify(3)). The variables are taken out
 * of the environment first: a child that is not asked to notify us must not notify in our place. */
#pragma once

void notify_init(void);
void notify_ready(void);
void notify_stopping(void);
void notify_status(const char *text);
