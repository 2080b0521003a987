#include "client/acl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "util/macros.h"

#define PERMS_ALL 31
#define PERMS_READ 1

static int add(Acl *acl, const char *scheme, const char *id, int32_t perms)
{
        AclEntry *entry = &acl->items[acl->n];

        entry->scheme = strdup(scheme);
        entry->id = strdup(id);
        entry->perms = perms;
        acl->n++; /* acl_deinit() frees a half-made one */
        return entry->scheme && entry->id ? 0 : -ENOMEM;
}

static int32_t perms_from_string(const char *text)
{
        static const char letters[] = "rwcda";
        int32_t perms = 0;

        for (; *text; text++) {
                const char *letter = strchr(letters, *text);

                if (!letter)
                        return 0;
                perms |= 1 << (letter - letters);
        }
        return perms;
}

/* An id may hold colons (digest's user:hash, IPv6), so the scheme ends at the first colon and the
 * permissions begin after the last. */
static int add_triple(Acl *acl, char *item, char *problem, size_t problem_size)
{
        char *first = strchr(item, ':'), *last = strrchr(item, ':');
        int32_t perms;

        if (!first || first == last || first == item) {
                snprintf(problem, problem_size,
                        "ACL entry '%s': neither open, creator, read nor SCHEME:ID:PERMS", item);
                return -EINVAL;
        }
        perms = perms_from_string(last + 1);
        if (!perms) {
                snprintf(problem, problem_size, "ACL entry '%s': permissions are letters of cdrwa", item);
                return -EINVAL;
        }
        *first = *last = '\0';
        return add(acl, item, first + 1, perms);
}

static int add_item(Acl *acl, char *item, bool authenticated, char *problem, size_t problem_size)
{
        if (!strcmp(item, "open"))
                return add(acl, "world", "anyone", PERMS_ALL);
        if (!strcmp(item, "read"))
                return add(acl, "world", "anyone", PERMS_READ);
        if (strcmp(item, "creator"))
                return add_triple(acl, item, problem, problem_size);
        if (authenticated)
                return add(acl, "auth", "", PERMS_ALL);
        snprintf(problem, problem_size, "ACL entry 'creator': needs an authentication; give --auth-file");
        return -EINVAL;
}

static int parse(Acl *acl, char *text, bool authenticated, char *problem, size_t problem_size)
{
        char *item;

        while ((item = strsep(&text, ","))) {
                int r;

                if (acl->n == ACL_MAX) {
                        snprintf(problem, problem_size, "ACL: more than %d entries", ACL_MAX);
                        return -EINVAL;
                }
                r = add_item(acl, item, authenticated, problem, problem_size);
                if (r < 0)
                        return r;
        }
        return 0;
}

int acl_parse(Acl *acl, const char *text, bool authenticated, char *problem, size_t problem_size)
{
        CLEANUP_STRING copy = strdup(text ? text : authenticated ? "creator" : "open");
        int r = -ENOMEM;

        *acl = (Acl){.items = calloc(ACL_MAX, sizeof(AclEntry))};
        if (copy && acl->items)
                r = parse(acl, copy, authenticated, problem, problem_size);
        if (r == -ENOMEM)
                snprintf(problem, problem_size, "ACL: out of memory");
        if (r < 0)
                acl_deinit(acl);
        return r;
}

void acl_deinit(Acl *acl)
{
        for (size_t i = 0; i < acl->n; i++) {
                free(acl->items[i].scheme);
                free(acl->items[i].id);
        }
        free(acl->items);
        *acl = (Acl){0};
}
