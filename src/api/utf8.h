/* Where characters of UTF-8 end, for texts that promise to be UTF-8 and are made of what others wrote. */
#pragma once

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The length of the character at TEXT, of which LEN > 0 bytes are there, or 0 if there is none (RFC 3629: no
 * overlong form, no surrogate). */
static inline size_t utf8_length(const char *text, size_t len)
{
        const unsigned char *p = (const unsigned char *)text;
        unsigned char low = 0x80, high = 0xbf;
        size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

        if (n == 0 || n > len)
                return 0;
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
                if (p[i] < low || p[i] > high)
                        return 0;
        return n;
}
