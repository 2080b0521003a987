#include "recipe/claim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/clock.h"
#include "util/macros.h"

#ifdef ZKSUP_MUTANTS
enum ClaimMutantKind claim_mutant = MUTANT_NONE;
#endif

int claim_init(Claim *claim, const char *node, const char *record, const char *id, const Record *text)
{
        int n;

        *claim = (Claim){.state = CLAIM_NONE};
        if (strlen(node) >= ZNODE_PATH_MAX || strlen(record) >= ZNODE_PATH_MAX)
                return -ENAMETOOLONG;
        strcpy(claim->node, node);
        strcpy(claim->record, record);
        if (CLAIM_MUTANT(MUTANT_ORDER_ONLY))
                snprintf(claim->record, ZNODE_PATH_MAX, "%.500s-%.80s", record, id);
        n = snprintf(claim->grant, ZNODE_PATH_MAX, "%s/%s", claim->record, CLAIM_MUTANT(MUTANT_GHOST_UNCHECKED) ? "grant" : id);
        if (n >= ZNODE_PATH_MAX)
                return -ENAMETOOLONG;
        claim->lease_usec = text->lease_usec;
        claim->data_len = record_to_string(text, claim->data);
        return 0;
}

static Op *add_op(Claim *claim, enum OpKind kind, const char *path)
{
        Op *op;

        assert(claim->n_ops < ARRAY_SIZE(claim->ops));
        op = &claim->ops[claim->n_ops++];
        *op = (Op){.kind = kind, .path = path, .version = VERSION_ANY, .mode = CREATE_PERSISTENT};
        return op;
}

const char *claim_id(const Claim *claim)
{
        return strrchr(claim->grant, '/') + 1;
}

void claim_add_create_ops(Claim *claim, size_t n_own)
{
        const char *id = claim_id(claim);
        Op *op;

        claim->n_ops = n_own;
        op = add_op(claim, OP_CREATE, claim->record);
        op->data = id;
        op->data_len = strlen(id);
        op = add_op(claim, OP_CREATE, claim->grant);
        op->data = claim->data;
        op->data_len = claim->data_len;
        /* For its Stat: a create inside a multi replies with the path only, a set with the czxid. */
        op = add_op(claim, OP_SET, claim->grant);
        op->data = claim->data;
        op->data_len = claim->data_len;
}

void claim_make_release_ops(Claim *claim, bool with_node)
{
        claim->n_ops = 0;
        add_op(claim, OP_DELETE, claim->grant);
        add_op(claim, OP_DELETE, claim->record);
        if (with_node && !claim->node_gone)
                add_op(claim, OP_DELETE, claim->node);
}

uint64_t claim_stop_usec(const Claim *claim, const Timing *timing)
{
        return usec_sub(claim->deadline_usec, timing->kill_usec + timing->grace_usec);
}

void claim_lose(Claim *claim, const char *reason)
{
        if (claim->state == CLAIM_LOST)
                return;
        claim->state = CLAIM_LOST;
        snprintf(claim->reason, sizeof(claim->reason), "%s", reason);
}

void claim_wedge(Claim *claim)
{
        Record text;

        (void)record_parse(claim->data, claim->data_len, &text);
        text.state = RECORD_WEDGED;
        claim->data_len = record_to_string(&text, claim->data);
}

/* Never longer than the record says, for which the next holder waits: a server that grants a longer
 * timeout than the one of the claim's time does not change what others have read. */
static uint64_t lease_usec(const Claim *claim, const Timing *timing)
{
        return claim->lease_usec ? MIN(claim->lease_usec, timing->lease_usec) : timing->lease_usec;
}

void claim_grant(Claim *claim, const Timing *timing, const Reply *reply, uint64_t now_usec)
{
        const OpResult *set = &reply->results[reply->n_results - 1];

        claim->token = set->stat.czxid;
        claim->deadline_usec = (CLAIM_MUTANT(MUTANT_REPLY_TIME) ? now_usec : reply->sent_usec) + lease_usec(claim, timing);
        claim->state = CLAIM_HELD;
        if (now_usec >= claim_stop_usec(claim, timing) && !CLAIM_MUTANT(MUTANT_REVIVE))
                claim_lose(claim, "the answer to the claim came too late");
}

void claim_extend(Claim *claim, const Timing *timing, uint64_t sent_usec, uint64_t now_usec)
{
        uint64_t from = CLAIM_MUTANT(MUTANT_REPLY_TIME) ? now_usec : sent_usec;
        bool is_late = now_usec >= claim_stop_usec(claim, timing);

        if (claim->state != CLAIM_HELD)
                return;
        /* Revived by an answer to a request of any age: only then is it unsafe. */
        if (is_late && CLAIM_MUTANT(MUTANT_REVIVE)) {
                from = now_usec;
        } else if (is_late) {
                claim_lose(claim, "no renewal was acknowledged in time");
                return;
        }
        claim->deadline_usec = MAX(claim->deadline_usec, from + lease_usec(claim, timing));
}

void claim_save(const Claim *claim, SavedWriter *w)
{
        saved_put(w, "claim", "held");
        saved_put(w, "claim-node", claim->node);
        saved_put(w, "claim-record", claim->record);
        saved_put(w, "claim-grant", claim->grant);
        saved_put_data(w, "claim-data", claim->data, claim->data_len);
        saved_put_signed(w, "claim-token", claim->token);
        saved_put_number(w, "claim-lease-usec", claim->lease_usec);
        saved_put_number(w, "claim-deadline-usec", claim->deadline_usec);
}

static bool is_below(const char *path, const char *parent)
{
        size_t n = strlen(parent);

        return strncmp(path, parent, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

int claim_restore(Claim *claim, const Saved *saved, const char *record)
{
        Claim c = {.state = CLAIM_HELD,
                .token = saved_get_signed(saved, "claim-token", 0),
                .lease_usec = saved_get_number(saved, "claim-lease-usec", 0),
                .deadline_usec = saved_get_number(saved, "claim-deadline-usec", 0)};

        if (!saved_copy(saved, "claim-node", c.node, sizeof(c.node)) ||
                !saved_copy(saved, "claim-record", c.record, sizeof(c.record)) ||
                !saved_copy(saved, "claim-grant", c.grant, sizeof(c.grant)) ||
                !saved_copy(saved, "claim-data", c.data, sizeof(c.data)))
                return -EBADMSG;
        if (c.token <= 0 || c.deadline_usec == 0 || c.node[0] != '/' || !is_below(c.record, record) ||
                !is_below(c.grant, c.record) || strlen(c.grant) <= strlen(c.record) + 1)
                return -EBADMSG;
        c.data_len = strlen(c.data);
        *claim = c;
        return 0;
}
