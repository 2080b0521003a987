#include "recipe/outcome.h"

const char *outcome_to_string(enum Outcome outcome)
{
        switch (outcome) {
        case OUTCOME_OK:
                return "ok";
        case OUTCOME_NO_NODE:
                return "no such znode";
        case OUTCOME_NODE_EXISTS:
                return "the znode exists";
        case OUTCOME_BAD_VERSION:
                return "the znode has another version";
        case OUTCOME_NOT_EMPTY:
                return "the znode has children";
        case OUTCOME_NO_CHILDREN:
                return "an ephemeral znode cannot have children";
        case OUTCOME_DENIED:
                return "denied by the ACL";
        case OUTCOME_EXPIRED:
                return "the session has expired";
        case OUTCOME_UNKNOWN:
                return "the reply was lost";
        case OUTCOME_ROLLED_BACK:
                return "rolled back";
        case OUTCOME_REFUSED:
                return "refused by the server";
        }
        return "?";
}
