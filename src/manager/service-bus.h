/* What we say to systemd over D-Bus: the few calls and properties of org.freedesktop.systemd1(5) that driving a service
 * needs. All calls wait for their answer, for as long as the bus was opened with. */
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>
#include "util/macros.h"

#define SERVICE_BUS_SYSTEMD "org.freedesktop.systemd1"
#define SERVICE_BUS_MANAGER_PATH "/org/freedesktop/systemd1"
#define SERVICE_BUS_MANAGER "org.freedesktop.systemd1.Manager"
#define SERVICE_BUS_UNIT "org.freedesktop.systemd1.Unit"
#define SERVICE_BUS_SERVICE "org.freedesktop.systemd1.Service"

CLEANUP_DEFINE(sd_bus, sd_bus_close_unref);

/* The system's bus. TIMEOUT_USEC: for the connection to stand, and for each call after it. Returns 0 or a negative errno. */
int service_bus_open(sd_bus **bus, uint64_t timeout_usec);
/* The object of the unit NAME, which systemd loads if need be: a new string. */
int service_bus_load(sd_bus *bus, const char *name, char **path);
/* Properties of INTERFACE at PATH. A string is new, and the caller's. Return 0 or a negative errno. */
int service_bus_get_text(sd_bus *bus, const char *path, const char *interface, const char *property, char **value);
int service_bus_get_int(sd_bus *bus, const char *path, const char *interface, const char *property, int *value);
/* StartUnit or StopUnit, which replace what is queued. JOB, if not NULL, gets the path of the job: a new string. On
 * failure systemd's own words are in PROBLEM. */
int service_bus_start(sd_bus *bus, const char *name, char **job, char *problem, size_t problem_size);
int service_bus_stop(sd_bus *bus, const char *name, char **job, char *problem, size_t problem_size);
/* Forgets that it failed, and how often it was started of late (systemd.unit(5), StartLimitBurst=). */
void service_bus_reset(sd_bus *bus, const char *name);
/* SIGKILL to all its processes, if there are any. */
void service_bus_kill(sd_bus *bus, const char *name);
/* SIGNAL to its main process. */
int service_bus_signal(sd_bus *bus, const char *name, int signal);
