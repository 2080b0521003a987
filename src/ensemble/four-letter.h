/* ZooKeeper's four-letter words: one word on a connection of its own, text until the server
 * closes it (ZooKeeper Administrator's Guide, "The Four Letter Words"). All servers are asked at
 * once; one that is slow or silent costs its timeout, not that of the others. */
#pragma once

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include "util/text.h"

typedef struct FourLetter {
        /* In: the addresses of one server, tried in order; borrowed. */
        const struct addrinfo *address;
        /* Out: 0 with an answer, else a negative errno (-ETIMEDOUT, -ECONNREFUSED, -ENODATA for a
         * connection closed without a word). */
        int result;
        TextBuffer answer; /* four_letter_deinit() frees it */
        /* Own. */
        int fd;
        size_t sent;
} FourLetter;

/* Asks N servers for WORD and returns when each has answered or failed, after TIMEOUT_USEC at the
 * latest. Blocks the caller for so long. Returns 0, or -ENOMEM with no server asked. */
int four_letter_ask(FourLetter *asked, size_t n, const char *word, uint64_t timeout_usec);
void four_letter_deinit(FourLetter *asked);
