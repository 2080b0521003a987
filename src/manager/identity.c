#include "manager/identity.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "util/file.h"
#include "util/macros.h"

Record identity_record(const char *name)
{
        Record record = {.state = RECORD_HELD, .pid = (uint64_t)getpid()};
        CLEANUP_STRING boot = NULL;

        if (gethostname(record.host, sizeof(record.host) - 1) < 0)
                strcpy(record.host, "?");
        if (file_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL) == 0)
                snprintf(record.boot_id, sizeof(record.boot_id), "%.36s", boot);
        snprintf(record.unit, sizeof(record.unit), "%s", name);
        return record;
}
