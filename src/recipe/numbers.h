/* Sets of numbers read from child names, and the k-th number that is not among them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Numbers {
        uint64_t *items; /* ascending, none twice */
        size_t n;
} Numbers;

/* The children whose names are decimal numbers without leading zeros; others are passed over.
 * Replaces what was in NUMBERS. Returns 0 or -ENOMEM (NUMBERS is then unchanged). */
int numbers_from_names(Numbers *numbers, const char *const *names, size_t n);
void numbers_deinit(Numbers *numbers);
bool numbers_has(const Numbers *numbers, uint64_t number);
/* The k-th (k >= 1) number from FIRST upwards that is in neither A nor B; B may be NULL. */
uint64_t numbers_kth_free(const Numbers *a, const Numbers *b, uint64_t first, uint64_t k);
