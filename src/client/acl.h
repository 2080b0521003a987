/* Who may do what with the znodes that are created: a list as in ZooKeeper Programmer's Guide,
 * "ZooKeeper access control using ACLs", in the words of --acl:
 *
 *   open                 everybody may do everything
 *   creator              whoever authenticated as we did may do everything
 *   read                 everybody may read (beside creator, for instance: "creator,read")
 *   SCHEME:ID:PERMS      as in the guide; PERMS are letters of "cdrwa"
 *
 * joined by commas. Without --acl: creator if there is an authentication, else open. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACL_MAX 32

typedef struct AclEntry {
        char *scheme, *id;
        int32_t perms; /* bits as on the wire: r 1, w 2, c 4, d 8, a 16 */
} AclEntry;

typedef struct Acl {
        AclEntry *items;
        size_t n;
} Acl;

/* TEXT NULL is the default. Returns 0, -EINVAL with a sentence in PROBLEM, or -ENOMEM. */
int acl_parse(Acl *acl, const char *text, bool authenticated, char *problem, size_t problem_size);
void acl_deinit(Acl *acl);
static inline void acl_deinit_cleanup(Acl *acl)
{
        acl_deinit(acl);
}
