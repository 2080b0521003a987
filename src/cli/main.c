/* zksup: finds the verb and runs it. */
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"

const Verb cli_verbs[] = {
        {"run", "supervise a command with a unique small number (ZK_SEQUENCE)", cmd_run},
        {"lead", "supervise a command on one host at a time, with others standing by", cmd_lead},
        {"lock", "run a command alone in the cluster, among readers, or as one of N", cmd_lock},
        {"cron", "run a command at times, at most once for each in the whole cluster", cmd_cron},
        {"up", "supervise all units of a configuration file", cmd_up},
        {"check", "whether a configuration file is right, and the ensemble fits it", cmd_check},
        {"status", "what the supervisor on this host runs", cmd_status},
        {"start", "start units of the supervisor", cmd_start},
        {"stop", "stop units of the supervisor", cmd_stop},
        {"restart", "restart units of the supervisor, under the holds that they have", cmd_restart},
        {"step-down", "let a unit give back what it holds, so that another host gets its turn", cmd_step_down},
        {"signal", "send a signal to units of the supervisor", cmd_signal},
        {"reload", "let the supervisor read its configuration again", cmd_reload},
        {"reexec", "let a new program take the place of the supervisor; nothing is restarted", cmd_reexec},
        {"logs", "what units of the supervisor have printed", cmd_logs},
        {"who", "the whole cluster: numbers, leaders, locks, hosts, cron jobs, services", cmd_who},
        {"still-mine", "inside a command: whether its hold is provably ours", cmd_still_mine},
        {"ensemble", "start a local ensemble; health of any ensemble", cmd_ensemble},
        {"help", "explain a verb", cmd_help},
        {"systemd-clean", NULL, cmd_systemd_clean},
        {"systemd-unit", NULL, cmd_systemd_unit},
        {NULL},
};

const Verb *cli_find_verb(const char *name)
{
        for (const Verb *verb = cli_verbs; verb->name; verb++)
                if (strcmp(verb->name, name) == 0)
                        return verb;
        return NULL;
}

int main(int argc, char **argv)
{
        const Verb *verb;

        if (argc < 2)
                return cli_problem(NULL, "say what to do, for example 'zksup run -- COMMAND'; see 'zksup help'");
        if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
                printf("zksup %s\n", ZKSUP_VERSION);
                return 0;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
                return cmd_help(1, argv + 1);
        verb = cli_find_verb(argv[1]);
        if (!verb)
                return cli_problem(NULL, "there is no verb '%s'; see 'zksup help'", argv[1]);
        return verb->run(argc - 1, argv + 1);
}
