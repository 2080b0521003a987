/* zksup lock: one command while it holds a lock, alone, with other readers, or as one of N. */
#include "cli/cli.h"
#include "cli/supervise.h"
#include "config/rules.h"
#include "util/clock.h"

#define USAGE "lock NAME [OPTION]... -- COMMAND [ARGUMENT]..."

typedef struct LockOptions {
        SuperviseOptions supervise;
        const char *name;
        bool shared, exclusive, no_wait;
        uint64_t slots; /* 0: no semaphore */
        uint64_t wait_usec;
} LockOptions;

#define AT(member) offsetof(LockOptions, member)
static const OptionSpec specs[] = {
        {"shared", 's', NULL, NULL, AT(shared), "share it with other readers, not with a writer"},
        {"exclusive", 'x', NULL, NULL, AT(exclusive),
                "alone, as the writer that Curator's read-write lock sees (alone, as its mutex sees it)"},
        {"slots", 0, "N", value_parse_slots, AT(slots), "as one of N at a time; all should say the same N"},
        {"wait", 'w', "TIME", value_parse_duration, AT(wait_usec), "give up with 124 without the lock (never)"},
        {"no-wait", 0, NULL, NULL, AT(no_wait), "give up with 124 if somebody else has it"},
        {"hold-min", 0, "TIME", value_parse_duration, AT(supervise.policy.hold_min_usec),
                "keep the lock at least so long, even if the command ends earlier (0)"},
        SUPERVISE_OPTIONS(LockOptions, supervise, "never", "stop"),
        {NULL},
};

static int check(const LockOptions *o)
{
        RuleBroken broken;

        if (!rules_lock_kind(RULES_DASHES, o->shared, o->exclusive, o->slots, &broken) ||
                !rules_wait(RULES_DASHES, o->wait_usec, o->no_wait, &broken) ||
                !rules_hold_min(RULES_DASHES, o->supervise.policy.hold_min_usec, &broken))
                return cli_problem("lock", "%s", broken.text);
        return 0;
}

static GateConfig gate_of(const Supervise *s, const LockOptions *o)
{
        if (o->slots)
                return (GateConfig){.kind = GATE_SEMAPHORE,
                        .semaphore = {.root = o->supervise.common.root,
                                .name = o->name,
                                .id = s->id,
                                .slots = (unsigned)o->slots,
                                .text = s->record}};
        return (GateConfig){.kind = GATE_LOCK,
                .lock = {.root = o->supervise.common.root,
                        .name = o->name,
                        .id = s->id,
                        .mode = o->shared    ? LOCK_SHARED :
                                o->exclusive ? LOCK_WRITE :
                                               LOCK_EXCLUSIVE,
                        .text = s->record}};
}

static int run(Supervise *s, const LockOptions *o, char **command)
{
        int status = check(o) ?: supervise_init(s, "lock", command);

        if (status)
                return status;
        s->unit.wait_usec = o->no_wait ? 0 : o->wait_usec;
        s->unit.gate = gate_of(s, o);
        return supervise_run(s);
}

int cmd_lock(int argc, char **argv)
{
        LockOptions o = {.supervise = supervise_options_default(UNIT_RESTART_NEVER), .wait_usec = USEC_INFINITY};
        CLEANUP(supervise_deinit) Supervise *s = &(Supervise){0};
        const Operand operands[] = {{"NAME", value_parse_component, &o.name}, {NULL}};
        char **command;

        supervise_begin(s, &o.supervise);
        switch (supervise_parse(argc, argv, specs, &o, operands, &command, USAGE)) {
        case OPTIONS_HELP:
                return 0;
        case OPTIONS_BAD:
                return EXIT_STATUS_FAILURE;
        case OPTIONS_OK:
                break;
        }
        return run(s, &o, command);
}
