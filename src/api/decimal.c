#include "api/decimal.h"

#include "util/clock.h"

#define DIGITS_MAX 20
#define FRACTION 6

void decimal_append(TextBuffer *out, uint64_t value)
{
        char digits[DIGITS_MAX], *end = digits + sizeof(digits), *p = end;

        do
                *--p = (char)('0' + value % 10);
        while (value /= 10);
        text_buffer_append(out, p, (size_t)(end - p));
}

void decimal_append_seconds(TextBuffer *out, uint64_t usec)
{
        char fraction[1 + FRACTION];
        uint64_t rest = usec % USEC_PER_SEC;
        size_t n = FRACTION;

        decimal_append(out, usec / USEC_PER_SEC);
        if (rest == 0)
                return;
        fraction[0] = '.';
        for (size_t i = FRACTION; i > 0; i--, rest /= 10)
                fraction[i] = (char)('0' + rest % 10);
        while (fraction[n] == '0')
                n--;
        text_buffer_append(out, fraction, n + 1);
}
