/* Options: a table per verb with a parser for each, and the ones that all verbs share which talk to
 * an ensemble. getopt_long reads, the table says what a value means and what is wrong with it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/value.h"

typedef struct OptionSpec {
        const char *name;      /* without the dashes */
        char letter;           /* 0: none */
        const char *argument;  /* what it is called in the help; NULL: takes none */
        ValueParser parse;     /* NULL with argument NULL: sets the bool at VALUE */
        size_t offset;         /* of the value in the struct that is filled */
        const char *help;
} OptionSpec;

enum OptionResult {
        OPTIONS_OK,
        OPTIONS_HELP, /* --help was given and printed */
        OPTIONS_BAD,  /* told on stderr */
};

/* Parses ARGV (ARGV[0] is the verb) by SPECS (ending with a NULL name) into the struct at TARGET.
 * *rest is the index of the first argument after the options; *dashes whether it came after "--". */
enum OptionResult options_parse(int argc, char **argv, const OptionSpec *specs, void *target, int *rest,
        bool *dashes, const char *usage);

typedef struct CommonOptions {
        const char *connect; /* --connect, $ZKSUP_CONNECT, 127.0.0.1:2181 */
        const char *auth_file, *acl, *root;
        uint64_t session_timeout_usec, connect_timeout_usec, grace_usec;
        bool quiet, verbose;
} CommonOptions;

#define COMMON_OPTIONS(type, member)                                                                         \
        {"connect", 'c', "HOSTS[/CHROOT]", value_parse_string, offsetof(type, member.connect),               \
                "the ensemble, as host:port,... (ZKSUP_CONNECT; 127.0.0.1:2181)"},                            \
        {"session-timeout", 0, "TIME", value_parse_duration, offsetof(type, member.session_timeout_usec),    \
                "ask for this session timeout (15s); the servers may change it"},                            \
        {"connect-timeout", 0, "TIME", value_parse_duration, offsetof(type, member.connect_timeout_usec),    \
                "give up with 121 if there is no ensemble for so long at the start (never)"},                 \
        {"grace", 0, "TIME", value_parse_duration, offsetof(type, member.grace_usec),                        \
                "from the stop signal to SIGKILL (a quarter of the lease)"},                                  \
        {"auth-file", 0, "FILE", value_parse_string, offsetof(type, member.auth_file),                       \
                "authenticate by digest with user:password from FILE"},                                      \
        {"acl", 0, "ACL", value_parse_string, offsetof(type, member.acl),                                    \
                "of the znodes made: open, creator or scheme:id:perms,... (creator with --auth-file)"},      \
        {"root", 0, "PATH", value_parse_root, offsetof(type, member.root), "parent of all znodes (/zksup)"}, \
        {"quiet", 'q', NULL, NULL, offsetof(type, member.quiet), "warnings and errors only"},                 \
        {"verbose", 'v', NULL, NULL, offsetof(type, member.verbose), "show every transition"}

CommonOptions common_options_default(void);
/* Sets the log level. */
void common_options_apply(const CommonOptions *options);
