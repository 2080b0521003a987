/* For test_cron_peers.py: reads lines "ZONE FROM COUNT SCHEDULE", writes the next COUNT ticks after FROM in
 * one line, or "refused: " and why. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "recipe/cron-schedule.h"

int main(void)
{
        char line[512], zone_text[128], problem[512], last[128] = "";
        CLEANUP(zone_free) Zone *zone = NULL;
        CronSchedule schedule;
        int64_t t;
        int count, used;

        while (fgets(line, sizeof(line), stdin)) {
                line[strcspn(line, "\n")] = '\0';
                if (sscanf(line, "%127s %" SCNd64 " %d %n", zone_text, &t, &count, &used) < 3)
                        return 2;
                if (strcmp(last, zone_text) != 0) {
                        zone = zone_free(zone);
                        if (zone_new(&zone, zone_text, problem, sizeof(problem)) < 0) {
                                fprintf(stderr, "%s\n", problem);
                                return 2;
                        }
                        strcpy(last, zone_text);
                }
                if (cron_schedule_parse(&schedule, line + used, problem, sizeof(problem)) < 0) {
                        printf("refused: %s\n", problem);
                        continue;
                }
                for (int i = 0; i < count; i++) {
                        t = cron_schedule_next(&schedule, zone, t);
                        printf("%s%" PRId64, i ? " " : "", t);
                        if (t == CRON_SCHEDULE_NEVER)
                                break;
                }
                printf("\n");
        }
        return 0;
}
