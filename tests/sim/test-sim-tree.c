#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "sim/tree.h"

static Simulation simulation;
static Tree tree;
static int64_t zxid;
static OpResult results[8];

static int setup(void **state)
{
        simulation_reset(&simulation, 1);
        tree_init(&tree, &simulation);
        zxid = 0;
        return 0;
}

static int teardown(void **state)
{
        simulation_deinit(&simulation);
        return 0;
}

static enum Outcome write_op(int64_t session, Op op)
{
        return tree_write(&tree, ++zxid, session, &op, 1, results);
}

static enum Outcome create(const char *path, enum CreateMode mode, int64_t session)
{
        return write_op(
                session, (Op){.kind = OP_CREATE, .path = path, .mode = mode, .data = "x", .data_len = 1});
}

static void test_create_needs_a_parent_and_a_free_name(void **state)
{
        assert_int_equal(create("/a/b", CREATE_PERSISTENT, 1), OUTCOME_NO_NODE);
        assert_int_equal(create("/a", CREATE_PERSISTENT, 1), OUTCOME_OK);
        assert_int_equal(create("/a", CREATE_PERSISTENT, 1), OUTCOME_NODE_EXISTS);
        assert_int_equal(create("/a/b", CREATE_EPHEMERAL, 7), OUTCOME_OK);
        assert_int_equal(create("/a/b/c", CREATE_PERSISTENT, 1), OUTCOME_NO_CHILDREN);
        assert_int_equal(tree_find(&tree, "/a/b")->stat.ephemeral_owner, 7);
        assert_int_equal(tree_find(&tree, "/a/b")->stat.czxid, zxid - 1);
        assert_int_equal(tree_find(&tree, "/a")->stat.pzxid, zxid - 1);
}

static void test_versions_are_checked_and_grow(void **state)
{
        create("/a", CREATE_PERSISTENT, 1);
        assert_int_equal(write_op(1, (Op){.kind = OP_SET, .path = "/a", .version = 1}), OUTCOME_BAD_VERSION);
        assert_int_equal(write_op(1, (Op){.kind = OP_SET, .path = "/a", .version = 0}), OUTCOME_OK);
        assert_int_equal(results[0].stat.version, 1);
        assert_int_equal(results[0].stat.mzxid, zxid);
        assert_int_equal(
                write_op(1, (Op){.kind = OP_CHECK, .path = "/a", .version = 0}), OUTCOME_BAD_VERSION);
        assert_int_equal(
                write_op(1, (Op){.kind = OP_DELETE, .path = "/a", .version = 0}), OUTCOME_BAD_VERSION);
        assert_int_equal(
                write_op(1, (Op){.kind = OP_DELETE, .path = "/a", .version = VERSION_ANY}), OUTCOME_OK);
        assert_int_equal(
                write_op(1, (Op){.kind = OP_SET, .path = "/a", .version = VERSION_ANY}), OUTCOME_NO_NODE);
}

static void test_versions_start_again_when_a_znode_is_made_anew(void **state)
{
        create("/a", CREATE_PERSISTENT, 1);
        write_op(1, (Op){.kind = OP_SET, .path = "/a", .version = VERSION_ANY});
        write_op(1, (Op){.kind = OP_DELETE, .path = "/a", .version = VERSION_ANY});
        create("/a", CREATE_PERSISTENT, 1);
        assert_int_equal(tree_find(&tree, "/a")->stat.version, 0);
}

static void test_a_sequence_counts_what_was_ever_created(void **state)
{
        create("/q", CREATE_PERSISTENT, 1);
        assert_int_equal(create("/q/n-", CREATE_EPHEMERAL_SEQUENTIAL, 1), OUTCOME_OK);
        assert_string_equal(results[0].path, "/q/n-0000000000");
        write_op(1, (Op){.kind = OP_DELETE, .path = "/q/n-0000000000", .version = VERSION_ANY});
        create("/q/n-", CREATE_EPHEMERAL_SEQUENTIAL, 1);
        assert_string_equal(results[0].path, "/q/n-0000000001");
        assert_int_equal(tree_find(&tree, "/q")->stat.cversion, 3);
        assert_int_equal(tree_find(&tree, "/q")->stat.num_children, 1);
}

static void test_a_znode_with_children_is_not_deleted(void **state)
{
        create("/a", CREATE_PERSISTENT, 1);
        create("/a/b", CREATE_PERSISTENT, 1);
        assert_int_equal(write_op(1, (Op){.kind = OP_DELETE, .path = "/a", .version = VERSION_ANY}),
                OUTCOME_NOT_EMPTY);
}

static void test_a_multi_sees_its_own_operations(void **state)
{
        const Op ops[] = {
                {.kind = OP_DELETE, .path = "/a", .version = 0},
                {.kind = OP_CREATE, .path = "/a", .mode = CREATE_PERSISTENT},
                {.kind = OP_SET, .path = "/a", .version = 0},
        };

        create("/a", CREATE_PERSISTENT, 1);
        assert_int_equal(tree_write(&tree, ++zxid, 1, ops, 3, results), OUTCOME_OK);
        assert_int_equal(results[2].stat.czxid, zxid);
        assert_int_equal(tree.n_changes, 5);
}

static void test_a_failed_multi_leaves_no_trace(void **state)
{
        const Op ops[] = {
                {.kind = OP_SET, .path = "/a", .data = "y", .data_len = 1, .version = VERSION_ANY},
                {.kind = OP_CREATE, .path = "/a/c", .mode = CREATE_PERSISTENT},
                {.kind = OP_DELETE, .path = "/a/b", .version = VERSION_ANY},
                {.kind = OP_CHECK, .path = "/none", .version = VERSION_ANY},
                {.kind = OP_DELETE, .path = "/a/c", .version = VERSION_ANY},
        };
        ZnodeStat before;

        create("/a", CREATE_PERSISTENT, 1);
        create("/a/b", CREATE_PERSISTENT, 1);
        before = tree_find(&tree, "/a")->stat;
        assert_int_equal(tree_write(&tree, ++zxid, 1, ops, 5, results), OUTCOME_NO_NODE);
        for (size_t i = 0; i < 5; i++)
                assert_int_equal(results[i].outcome, i == 3 ? OUTCOME_NO_NODE : OUTCOME_ROLLED_BACK);
        assert_memory_equal(&tree_find(&tree, "/a")->stat, &before, sizeof(before));
        assert_int_equal(*(const char *)tree_find(&tree, "/a")->data, 'x');
        assert_non_null(tree_find(&tree, "/a/b"));
        assert_null(tree_find(&tree, "/a/c"));
        assert_int_equal(tree.n_changes, 0);
        assert_int_equal(create("/a/s-", CREATE_EPHEMERAL_SEQUENTIAL, 1), OUTCOME_OK);
        assert_string_equal(results[0].path, "/a/s-0000000001"); /* the counter, too */
}

static void test_the_end_of_a_session_takes_its_ephemerals(void **state)
{
        create("/a", CREATE_PERSISTENT, 1);
        create("/a/1", CREATE_EPHEMERAL, 1);
        create("/a/2", CREATE_EPHEMERAL, 2);
        create("/3", CREATE_EPHEMERAL, 1);
        tree_end_session(&tree, ++zxid, 1);
        assert_null(tree_find(&tree, "/a/1"));
        assert_null(tree_find(&tree, "/3"));
        assert_non_null(tree_find(&tree, "/a/2"));
        assert_non_null(tree_find(&tree, "/a"));
}

static void test_a_container_goes_after_its_last_child(void **state)
{
        create("/c", CREATE_CONTAINER, 1);
        assert_null(tree_find_empty_container(&tree)); /* never used: stays */
        create("/c/1", CREATE_EPHEMERAL, 1);
        assert_null(tree_find_empty_container(&tree));
        tree_end_session(&tree, ++zxid, 1);
        assert_non_null(tree_find_empty_container(&tree));
        tree_reap_container(&tree, ++zxid, "/c");
        assert_null(tree_find(&tree, "/c"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_create_needs_a_parent_and_a_free_name, setup, teardown),
                cmocka_unit_test_setup_teardown(test_versions_are_checked_and_grow, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        test_versions_start_again_when_a_znode_is_made_anew, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        test_a_sequence_counts_what_was_ever_created, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_znode_with_children_is_not_deleted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_multi_sees_its_own_operations, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_failed_multi_leaves_no_trace, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        test_the_end_of_a_session_takes_its_ephemerals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_container_goes_after_its_last_child, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
