/* Tickets: who is about to choose a number, and in what order. A ticket is a child of the pool named
 * "t-<id>-<digits>"; the digits are what the server appends to a sequential znode. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TICKET_PREFIX "t-"

typedef struct TicketQueue {
        const char *mine;   /* my ticket, the lowest if a lost reply has left two; NULL: none */
        const char *second; /* that other one, NULL: none */
        const char *ahead;  /* the ticket before mine, NULL: none */
        uint64_t rank;      /* 1: nobody before me */
} TicketQueue;

/* Reads the children of a pool, in any order, for the owner of ID. The names point into NAMES. */
TicketQueue ticket_queue(const char *id, const char *const *names, size_t n);
