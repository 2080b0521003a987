#include "client/outcome.h"

#include <zookeeper/zookeeper.h>

/* Not defined by 3.8's header, but sent by newer servers (KeeperException.Code). */
#define QUOTA_EXCEEDED (-125)

/* A request in flight when the connection is lost does not always end with ZCONNECTIONLOSS: the
 * library also answers with ZOPERATIONTIMEOUT (silence), ZRUNTIMEINCONSISTENCY (it re-sent the
 * request on a new connection and the answers no longer match), ZSYSTEMERROR and ZCLOSING. In each
 * of these cases the write may have been applied. */
enum Outcome outcome_from_zookeeper(int rc)
{
        switch (rc) {
        case ZOK:
                return OUTCOME_OK;
        case ZNONODE:
                return OUTCOME_NO_NODE;
        case ZNODEEXISTS:
                return OUTCOME_NODE_EXISTS;
        case ZBADVERSION:
                return OUTCOME_BAD_VERSION;
        case ZNOTEMPTY:
                return OUTCOME_NOT_EMPTY;
        case ZNOCHILDRENFOREPHEMERALS:
                return OUTCOME_NO_CHILDREN;
        case ZNOAUTH:
        case ZAUTHFAILED:
        case ZSESSIONCLOSEDREQUIRESASLAUTH:
                return OUTCOME_DENIED;
        case ZSESSIONEXPIRED:
        case ZINVALIDSTATE: /* the handle is of a session that is gone */
                return OUTCOME_EXPIRED;
        case ZSYSTEMERROR:
        case ZRUNTIMEINCONSISTENCY:
        case ZDATAINCONSISTENCY:
        case ZCONNECTIONLOSS:
        case ZMARSHALLINGERROR: /* of the reply */
        case ZOPERATIONTIMEOUT:
        case ZSSLCONNECTIONERROR:
        case ZCLOSING:
        case ZSESSIONMOVED: /* not applied here, but the same request may be on its way elsewhere */
        case ZTHROTTLEDOP:  /* not applied; to be repeated, which is what follows UNKNOWN */
        case ZNOTREADONLY:  /* the server lost its quorum; likewise */
                return OUTCOME_UNKNOWN;
        case ZUNIMPLEMENTED:
        case ZBADARGUMENTS:
        case ZNEWCONFIGNOQUORUM:
        case ZRECONFIGINPROGRESS:
        case ZAPIERROR:
        case ZINVALIDCALLBACK:
        case ZINVALIDACL:
        case ZNOTHING:
        case ZEPHEMERALONLOCALSESSION:
        case ZNOWATCHER:
        case ZRECONFIGDISABLED:
        case QUOTA_EXCEEDED:
                return OUTCOME_REFUSED;
        }
        return OUTCOME_UNKNOWN;
}
