/* Runs a fuzz target over a corpus, where there is no libFuzzer: every file of the directories named
 * on the command line, and then each of them changed a little, many times, with a fixed seed. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include "util/file.h"
#include "util/macros.h"
#include "util/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VARIANTS 300

static unsigned inputs;

static void run_variants(const char *data, size_t len, Random *random)
{
        for (int i = 0; i < VARIANTS; i++) {
                char *copy = malloc(len + 1); /* exact size: the sanitizer sees one byte too many */
                size_t n = len;

                memcpy(copy, data, len);
                for (uint64_t changes = 1 + random_below(random, 4); changes && n; changes--)
                        copy[random_below(random, n)] = (char)random_next(random);
                if (random_below(random, 4) == 0)
                        n = random_below(random, n + 1);
                copy = realloc(copy, n + (n == 0));
                LLVMFuzzerTestOneInput((const uint8_t *)copy, n);
                free(copy);
                inputs++;
        }
}

static int run_directory(const char *path, Random *random)
{
        DIR *dir = opendir(path);
        struct dirent *entry;

        if (!dir) {
                perror(path);
                return -1;
        }
        while ((entry = readdir(dir))) {
                CLEANUP_STRING name = NULL;
                CLEANUP_STRING data = NULL;
                size_t len;

                if (entry->d_name[0] == '.' || asprintf(&name, "%s/%s", path, entry->d_name) < 0)
                        continue;
                if (file_read(name, 1 << 20, &data, &len) < 0) {
                        perror(name);
                        closedir(dir);
                        return -1;
                }
                LLVMFuzzerTestOneInput((const uint8_t *)data, len);
                inputs++;
                run_variants(data, len, random);
        }
        closedir(dir);
        return 0;
}

int main(int argc, char **argv)
{
        Random random;

        random_init(&random, 2026);
        for (int i = 1; i < argc; i++)
                if (run_directory(argv[i], &random) < 0)
                        return 1;
        printf("%u inputs\n", inputs);
        return inputs == 0;
}
