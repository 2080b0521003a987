#include "recipe/numbers.h"

#include <errno.h>
#include "util/text.h"
#include "util/macros.h"

static int compare(const void *pa, const void *pb)
{
        uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

        return a < b ? -1 : a > b;
}

int numbers_from_names(Numbers *numbers, const char *const *names, size_t n)
{
        uint64_t *items = malloc((n + 1) * sizeof(*items));
        size_t m = 0, kept = 0;

        if (!items)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if ((names[i][0] != '0' || names[i][1] == '\0') && text_to_u64(names[i], 0, UINT64_MAX, &items[m]) == 0)
                        m++;
        qsort(items, m, sizeof(*items), compare);
        for (size_t i = 0; i < m; i++)
                if (kept == 0 || items[i] != items[kept - 1])
                        items[kept++] = items[i];
        free(numbers->items);
        *numbers = (Numbers){.items = items, .n = kept};
        return 0;
}

void numbers_deinit(Numbers *numbers)
{
        free(numbers->items);
        *numbers = (Numbers){0};
}

bool numbers_has(const Numbers *numbers, uint64_t number)
{
        return numbers->n && bsearch(&number, numbers->items, numbers->n, sizeof(number), compare);
}

uint64_t numbers_kth_free(const Numbers *a, const Numbers *b, uint64_t first, uint64_t k)
{
        uint64_t number = first;
        size_t i = 0, j = 0;

        for (;; number++) {
                bool taken = false;

                while (i < a->n && a->items[i] < number)
                        i++;
                while (b && j < b->n && b->items[j] < number)
                        j++;
                taken = (i < a->n && a->items[i] == number) || (b && j < b->n && b->items[j] == number);
                if (!taken && --k == 0)
                        return number;
        }
}
