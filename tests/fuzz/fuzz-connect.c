/* Connect strings and ACLs. */
#include <stdio.h>
#include <string.h>
#include "client/acl.h"
#include "client/hosts.h"
#include "util/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                             \
        do {                                                                                                 \
                if (!(x)) {                                                                                  \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                              \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1), problem[300] = "";
        Hosts hosts = {0};
        Acl acl = {0};

        memcpy(text, data, size);
        text[size] = '\0';
        if (hosts_parse(&hosts, text, problem, sizeof(problem)) == 0) {
                CHECK(hosts.n >= 1 && hosts.n <= HOSTS_MAX);
                for (size_t i = 0; i < hosts.n; i++)
                        CHECK(hosts.items[i].name[0] && hosts.items[i].port);
                CHECK(hosts.chroot && (hosts.chroot[0] == '\0' || hosts.chroot[0] == '/'));
        } else {
                CHECK(problem[0]);
        }
        hosts_deinit(&hosts);
        problem[0] = '\0';
        if (acl_parse(&acl, text, true, problem, sizeof(problem)) == 0)
                CHECK(acl.n >= 1 && acl.n <= ACL_MAX);
        else
                CHECK(problem[0]);
        acl_deinit(&acl);
        free(text);
        return 0;
}
