#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "client/acl.h"
#include "client/auth.h"
#include "util/log.h"
#include "util/macros.h"

static void expect(const AclEntry *entry, const char *scheme, const char *id, int perms)
{
        assert_string_equal(entry->scheme, scheme);
        assert_string_equal(entry->id, id);
        assert_int_equal(entry->perms, perms);
}

static void test_the_default_is_creator_with_credentials_else_open(void **state)
{
        char problem[256];
        Acl acl;

        assert_int_equal(acl_parse(&acl, NULL, false, problem, sizeof(problem)), 0);
        assert_int_equal(acl.n, 1);
        expect(&acl.items[0], "world", "anyone", 31);
        acl_deinit(&acl);
        assert_int_equal(acl_parse(&acl, NULL, true, problem, sizeof(problem)), 0);
        expect(&acl.items[0], "auth", "", 31);
        acl_deinit(&acl);
}

static void test_entries_are_words_or_triples(void **state)
{
        char problem[256];
        Acl acl;

        assert_int_equal(acl_parse(&acl, "creator,read,digest:ann:h4sh=:crw,ip:fe80::1/64:d,world:anyone:a",
                                 true, problem, sizeof(problem)),
                0);
        assert_int_equal(acl.n, 5);
        expect(&acl.items[0], "auth", "", 31);
        expect(&acl.items[1], "world", "anyone", 1);
        expect(&acl.items[2], "digest", "ann:h4sh=", 7);
        expect(&acl.items[3], "ip", "fe80::1/64", 8);
        expect(&acl.items[4], "world", "anyone", 16);
        acl_deinit(&acl);
        acl_deinit(&acl);
}

static void test_a_problem_names_the_entry(void **state)
{
        static const struct {
                const char *text, *problem;
        } table[] = {
                {"creator", "ACL entry 'creator': needs an authentication; give --auth-file"},
                {"", "ACL entry '': neither open"},
                {"open,", "ACL entry ''"},
                {"nonsense", "ACL entry 'nonsense': neither open, creator, read nor SCHEME:ID:PERMS"},
                {"a:b", "ACL entry 'a:b'"},
                {":b:r", "ACL entry ':b:r'"},
                {"world:anyone:x", "permissions are letters of cdrwa"},
                {"world:anyone:", "permissions are letters of cdrwa"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                char problem[256] = "";
                Acl acl;

                if (acl_parse(&acl, table[i].text, false, problem, sizeof(problem)) != -EINVAL ||
                        !strstr(problem, table[i].problem))
                        fail_msg("'%s': '%s'", table[i].text, problem);
                assert_null(acl.items);
        }
}

static void test_too_many_entries_are_refused(void **state)
{
        char problem[256], text[400] = "open";
        Acl acl;

        for (int i = 0; i < ACL_MAX; i++)
                strcat(text, ",read");
        assert_int_equal(acl_parse(&acl, text, false, problem, sizeof(problem)), -EINVAL);
}

static unsigned warnings;

static void count_warnings(enum LogLevel level, const char *line, void *userdata)
{
        warnings += level == LOG_LEVEL_WARNING;
}

static int read_auth(const char *content, mode_t mode, Auth *auth, char *problem, size_t size)
{
        char path[] = "/tmp/zksup-test-XXXXXX";
        int fd = mkstemp(path), r;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, content, strlen(content)), strlen(content));
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
        warnings = 0;
        log_set_sink(count_warnings, NULL);
        r = auth_read(auth, path, problem, size);
        log_set_sink(NULL, NULL);
        unlink(path);
        return r;
}

static void test_credentials_are_one_line_of_user_and_password(void **state)
{
        char problem[256];
        Auth auth;

        assert_int_equal(read_auth("ann:pa:ss\n", 0600, &auth, problem, sizeof(problem)), 0);
        assert_string_equal(auth.scheme, "digest");
        assert_string_equal(auth.cert, "ann:pa:ss");
        assert_int_equal(warnings, 0);
        auth_deinit(&auth);
        auth_deinit(&auth);
        assert_int_equal(read_auth("digest:ann:p", 0644, &auth, problem, sizeof(problem)), 0);
        assert_string_equal(auth.cert, "ann:p");
        assert_int_equal(warnings, 1); /* others can read it */
        auth_deinit(&auth);
        assert_int_equal(read_auth("digest:p", 0600, &auth, problem, sizeof(problem)), 0);
        assert_string_equal(auth.cert, "digest:p"); /* a user of that name */
        auth_deinit(&auth);
}

static void test_anything_else_is_refused_with_the_name_of_the_file(void **state)
{
        static const char *const table[] = {"", "\n", "ann", "ann:", ":p", "ann:p\nbob:q\n", "ann:p\r\n"};
        char problem[256];
        Auth auth;

        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                assert_int_equal(read_auth(table[i], 0600, &auth, problem, sizeof(problem)), -EINVAL);
                assert_non_null(strstr(problem, "/tmp/zksup-test-"));
                assert_non_null(strstr(problem, "user:password"));
                assert_null(auth.cert);
        }
        assert_int_equal(auth_read(&auth, "/does/not/exist", problem, sizeof(problem)), -ENOENT);
        assert_string_equal(
                problem, "/does/not/exist: cannot read the credentials: No such file or directory");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_default_is_creator_with_credentials_else_open),
                cmocka_unit_test(test_entries_are_words_or_triples),
                cmocka_unit_test(test_a_problem_names_the_entry),
                cmocka_unit_test(test_too_many_entries_are_refused),
                cmocka_unit_test(test_credentials_are_one_line_of_user_and_password),
                cmocka_unit_test(test_anything_else_is_refused_with_the_name_of_the_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
