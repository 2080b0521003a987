#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <zookeeper/zookeeper.h>
#include "client/outcome.h"
#include "util/macros.h"

static const struct {
        int rc;
        enum Outcome outcome;
} table[] = {
        {ZOK, OUTCOME_OK},
        {ZSYSTEMERROR, OUTCOME_UNKNOWN},
        {ZRUNTIMEINCONSISTENCY, OUTCOME_UNKNOWN},
        {ZDATAINCONSISTENCY, OUTCOME_UNKNOWN},
        {ZCONNECTIONLOSS, OUTCOME_UNKNOWN},
        {ZMARSHALLINGERROR, OUTCOME_UNKNOWN},
        {ZUNIMPLEMENTED, OUTCOME_REFUSED},
        {ZOPERATIONTIMEOUT, OUTCOME_UNKNOWN},
        {ZBADARGUMENTS, OUTCOME_REFUSED},
        {ZINVALIDSTATE, OUTCOME_EXPIRED},
        {ZNEWCONFIGNOQUORUM, OUTCOME_REFUSED},
        {ZRECONFIGINPROGRESS, OUTCOME_REFUSED},
        {ZSSLCONNECTIONERROR, OUTCOME_UNKNOWN},
        {ZAPIERROR, OUTCOME_REFUSED},
        {ZNONODE, OUTCOME_NO_NODE},
        {ZNOAUTH, OUTCOME_DENIED},
        {ZBADVERSION, OUTCOME_BAD_VERSION},
        {ZNOCHILDRENFOREPHEMERALS, OUTCOME_NO_CHILDREN},
        {ZNODEEXISTS, OUTCOME_NODE_EXISTS},
        {ZNOTEMPTY, OUTCOME_NOT_EMPTY},
        {ZSESSIONEXPIRED, OUTCOME_EXPIRED},
        {ZINVALIDCALLBACK, OUTCOME_REFUSED},
        {ZINVALIDACL, OUTCOME_REFUSED},
        {ZAUTHFAILED, OUTCOME_DENIED},
        {ZCLOSING, OUTCOME_UNKNOWN},
        {ZNOTHING, OUTCOME_REFUSED},
        {ZSESSIONMOVED, OUTCOME_UNKNOWN},
        {ZNOTREADONLY, OUTCOME_UNKNOWN},
        {ZEPHEMERALONLOCALSESSION, OUTCOME_REFUSED},
        {ZNOWATCHER, OUTCOME_REFUSED},
        {ZRECONFIGDISABLED, OUTCOME_REFUSED},
        {ZSESSIONCLOSEDREQUIRESASLAUTH, OUTCOME_DENIED},
        {-125 /* quota exceeded, newer servers */, OUTCOME_REFUSED},
        {ZTHROTTLEDOP, OUTCOME_UNKNOWN},
};

static void test_every_code_of_the_library_has_its_outcome(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                if (outcome_from_zookeeper(table[i].rc) != table[i].outcome)
                        fail_msg("code %d", table[i].rc);
}

/* Zookeeper names the codes that it knows: no one of them may be missing from the table, nor be
 * called anything that a recipe takes for certain without being listed. */
static void test_a_code_that_is_not_listed_is_unknown(void **state)
{
        for (int rc = -200; rc <= 200; rc++) {
                enum Outcome expected = OUTCOME_UNKNOWN;

                for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                        if (table[i].rc == rc)
                                expected = table[i].outcome;
                if (outcome_from_zookeeper(rc) != expected)
                        fail_msg("code %d", rc);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_code_of_the_library_has_its_outcome),
                cmocka_unit_test(test_a_code_that_is_not_listed_is_unknown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
