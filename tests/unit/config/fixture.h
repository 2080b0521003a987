/* What the tests of the configuration share: texts that are read, and what they say is wrong. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "config/config.h"

/* A good text; the test ends if it is not. */
static inline Config *good(const char *text)
{
        Config *config = NULL;
        TextBuffer problems = {0};

        if (config_parse(&config, text, "t", &problems) < 0)
                fail_msg("'%s': %s", text, problems.data);
        assert_int_equal(problems.len, 0);
        return config;
}

/* TEXT is bad, and all there is to say about it is WANTED, in this order. */
static inline void bad(const char *text, const char *wanted)
{
        Config *config = NULL;
        TextBuffer problems = {0};

        assert_true(config_parse(&config, text, "t", &problems) < 0);
        assert_null(config);
        assert_string_equal(problems.data, wanted);
        text_buffer_deinit(&problems);
}

/* One line among others. */
static inline void bad_with(const char *text, const char *line)
{
        Config *config = NULL;
        TextBuffer problems = {0};

        assert_true(config_parse(&config, text, "t", &problems) < 0);
        if (!strstr(problems.data, line))
                fail_msg("'%s' is not in: %s", line, problems.data);
        text_buffer_deinit(&problems);
}
