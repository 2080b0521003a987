/* What people and foreign clients write: durations, numbers, signals, names, records, tickets. */
#include <stdio.h>
#include <string.h>
#include "recipe/numbers.h"
#include "recipe/record.h"
#include "recipe/ticket.h"
#include "recipe/timing.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/signal-name.h"
#include "util/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAMES_MAX 64
#define CHECK(x)                                                                                             \
        do {                                                                                                 \
                if (!(x)) {                                                                                  \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                              \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

static void words(char *text)
{
        const char *names[NAMES_MAX];
        char buf[DURATION_STRING_MAX], name[SIGNAL_NAME_MAX];
        Numbers numbers = {0};
        TicketQueue q;
        size_t n = 0;
        uint64_t v;

        for (char *word; n < NAMES_MAX && (word = strsep(&text, "\n"));)
                names[n++] = word;
        for (size_t i = 0; i < n; i++) {
                int signal = signal_from_string(names[i]);

                if (duration_parse(names[i], &v) == 0)
                        CHECK(strlen(duration_to_string(v, buf)) > 0);
                if (text_to_u64(names[i], 0, 1000, &v) == 0)
                        CHECK(v <= 1000);
                if (signal > 0)
                        CHECK(signal_from_string(signal_to_string(signal, name)) == signal);
                if (!text_component_problem(names[i]))
                        CHECK(names[i][0] && !strchr(names[i], '/'));
        }
        CHECK(numbers_from_names(&numbers, names, n) == 0);
        for (size_t i = 1; i < numbers.n; i++)
                CHECK(numbers.items[i - 1] < numbers.items[i]);
        v = numbers_kth_free(&numbers, NULL, 1, 3);
        CHECK(v >= 3 && !numbers_has(&numbers, v));
        numbers_deinit(&numbers);
        q = ticket_queue("a", names, n);
        CHECK(q.rank >= 1 && q.rank <= n + 1 && (q.mine || !q.ahead));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1), again[RECORD_TEXT_MAX];
        Record record, copy;

        memcpy(text, data, size);
        text[size] = '\0';
        if (record_parse(data, size, &record)) {
                CHECK(record_parse(again, record_to_string(&record, again), &copy));
                CHECK(copy.lease_usec == record.lease_usec && copy.state == record.state);
        }
        CHECK(record.lease_usec >= 1 && record.lease_usec <= TIMING_LEASE_MAX_USEC);
        words(text);
        free(text);
        return 0;
}
