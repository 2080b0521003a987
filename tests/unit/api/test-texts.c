/* JSON, metric lines and targets, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "api/json-text.h"
#include "api/metric-text.h"
#include "api/metrics.h"
#include "api/snapshot.h"
#include "api/target.h"
#include "fake-manager.h"
#include "unit/unit-machine.h"

/* Linked without the server. */
void api_tell_unit(Api *api, const SnapshotUnit *unit)
{
}

void api_answer_json(ApiAnswer *answer, const char *json)
{
}

void api_answer_problem(ApiAnswer *answer, int error, const char *problem)
{
}

static void assert_text(TextBuffer *out, const char *wanted)
{
        assert_string_equal(out->data, wanted);
        text_buffer_deinit(out);
}

static void json_has_commas_where_they_belong(void **state)
{
        TextBuffer out = {0};
        JsonText j = {.out = &out};

        json_text_begin(&j, NULL, '{');
        json_text_begin(&j, "empty", '[');
        json_text_end(&j, ']');
        json_text_begin(&j, "list", '[');
        json_text_number(&j, NULL, UINT64_MAX);
        json_text_bool(&j, NULL, true);
        json_text_begin(&j, NULL, '{');
        json_text_end(&j, '}');
        json_text_end(&j, ']');
        json_text_decimal(&j, "token", INT64_MIN);
        json_text_string(&j, "none", NULL);
        json_text_end(&j, '}');
        assert_text(&out,
                "{\"empty\":[],\"list\":[18446744073709551615,true,{}],\"token\":\"-9223372036854775808\",\"none\":null}");
}

static void json_strings_are_utf8_whatever_they_are_made_of(void **state)
{
        TextBuffer out = {0};
        JsonText j = {.out = &out};

        json_text_string(&j, NULL, "a\"\\/\n\t\x01\x7f");
        json_text_string(&j, NULL, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"); /* well-formed */
        json_text_string(
                &j, NULL, "\xc0\xaf|\xe0\x80\x80|\xed\xa0\x80|\xf5|\xf0\x9f"); /* overlong, surrogate, cut short */
        json_text_bytes(&j, NULL, "a\0b", 3);
        assert_text(&out,
                "\"a\\\"\\\\/\\n\\t\\u0001\\u007f\",\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\","
                "\"\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd|"
                "\xef\xbf\xbd\xef\xbf\xbd\",\"a\\u0000b\"");
}

static void seconds_and_times_are_exact(void **state)
{
        TextBuffer out = {0};
        JsonText j = {.out = &out};

        json_text_seconds(&j, NULL, 0);
        json_text_seconds(&j, NULL, 1);
        json_text_seconds(&j, NULL, 1500000);
        json_text_seconds(&j, NULL, 60000000);
        json_text_seconds(&j, NULL, UINT64_MAX);
        json_text_time(&j, NULL, 0);
        json_text_time(&j, NULL, 951782400000001);
        assert_text(&out, "0,0.000001,1.5,60,18446744073709.551615,null,\"2000-02-29T00:00:00.000001Z\"");
}

static void labels_are_escaped(void **state)
{
        TextBuffer out = {0};

        metric_text_label(&out, "unit", "a\\b\"c\nd\xff\xc3\xa9");
        assert_text(&out, "unit=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\xc3\xa9\"");
}

/* The directory of the metrics cannot see the unit machine, so it has a list of its own. */
static void every_state_of_a_unit_is_a_metric(void **state)
{
        FakeManager manager;
        MetricsProcess process = {0};

        fake_manager_init(&manager, 1);
        for (int s = 0; s < UNIT_STATE_COUNT; s++) {
                TextBuffer out = {0};
                char line[128];

                manager.units[0].state = unit_state_to_string((enum UnitState)s);
                metrics_render(&out, &manager.snapshot, &process, true);
                snprintf(line, sizeof(line), "zksup_unit_state{unit=\"unit-0\",state=\"%s\"} 1\n",
                        manager.units[0].state);
                assert_non_null(strstr(out.data, line));
                text_buffer_deinit(&out);
        }
        fake_manager_deinit(&manager);
}

static void a_target_is_taken_apart(void **state)
{
        Target t;

        assert_null(target_parse(&t, "/v1/units/a%2Fb%25/log?lines=5&x=%26+y"));
        assert_int_equal(t.n_parts, 4);
        assert_string_equal(t.parts[2], "a/b%");
        assert_null(t.parts[4]);
        assert_int_equal(t.n_parameters, 2);
        assert_string_equal(t.parameters[1].value, "& y");
        assert_null(target_parse(&t, "/"));
        assert_int_equal(t.n_parts, 0);
        assert_null(target_parse(&t, "/a//?b"));
        assert_int_equal(t.n_parts, 3);
        assert_string_equal(t.parts[1], "");
        assert_string_equal(t.parameters[0].value, "");
}

static void a_target_that_is_wrong_is_refused(void **state)
{
        static const char *const wrong[] = {"", "v1", "*", "http://x/v1", "/%", "/%4", "/%4x", "/%00", "/a?b=%zz",
                "/a?b&b", "/1/2/3/4/5/6", "/?1&2&3&4&5"};
        char too_long[TARGET_MAX + 2];
        Target t;

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                assert_non_null(target_parse(&t, wrong[i]));
        memset(too_long, '/', sizeof(too_long));
        too_long[sizeof(too_long) - 1] = '\0';
        assert_non_null(target_parse(&t, too_long));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(json_has_commas_where_they_belong),
                cmocka_unit_test(json_strings_are_utf8_whatever_they_are_made_of),
                cmocka_unit_test(seconds_and_times_are_exact),
                cmocka_unit_test(labels_are_escaped),
                cmocka_unit_test(every_state_of_a_unit_is_a_metric),
                cmocka_unit_test(a_target_is_taken_apart),
                cmocka_unit_test(a_target_that_is_wrong_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
