/* Names of systemd services, and where systemd puts the control group of one (systemd.slice(5), systemd.unit(5)). */
#pragma once

#include <stdbool.h>

/* The longest name of a unit (UNIT_NAME_MAX of systemd). */
#define SERVICE_NAME_MAX 255

/* Whether NAME is that of a service that can be started. Returns NULL if it is, else what is wrong, with the remedy. */
const char *service_name_problem(const char *name);
/* The slice a service is in unless its unit file says another: a new string, or NULL. */
char *service_name_slice(const char *name);
/* The path of its group below the root of systemd's hierarchy, as "/system.slice/NAME": a new string, or NULL. */
char *service_name_group(const char *name, const char *slice);
