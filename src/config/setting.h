/* Parsers of what can be said in a configuration file alone. The type behind VALUE follows each. */
#pragma once

#include <stddef.h>
#include "config/arena.h"
#include "unit/output.h"

int setting_parse_control(const char *text, void *value, char *problem, size_t problem_size); /* const char * */
int setting_parse_listen(const char *text, void *value, char *problem, size_t problem_size);  /* const char * */
int setting_parse_path(const char *text, void *value, char *problem, size_t problem_size);    /* const char * */
int setting_parse_systemd_unit(const char *text, void *value, char *problem, size_t problem_size); /* const char * */
int setting_parse_start(const char *text, void *value, char *problem, size_t problem_size);   /* bool: manual */
int setting_parse_umask(const char *text, void *value, char *problem, size_t problem_size);   /* int */
int setting_parse_nice(const char *text, void *value, char *problem, size_t problem_size);    /* ChildConfig */
int setting_parse_oom(const char *text, void *value, char *problem, size_t problem_size);     /* ChildConfig */
int setting_parse_output(const char *text, void *value, char *problem, size_t problem_size);  /* OutputConfig */
int setting_parse_keep(const char *text, void *value, char *problem, size_t problem_size);    /* uint64_t */

/* journal if our own stderr goes there, else inherit. */
enum OutputKind setting_own_output(void);

/* char *const *; one string is split into words as a shell would. */
int setting_parse_command(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size);
/* char *const * */
int setting_parse_environment(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size);
/* char *const *: what is in the files, as "NAME=value". */
int setting_parse_environment_files(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size);
/* ChildConfig */
int setting_parse_limits(
        Arena *arena, char *const *values, size_t n, void *value, char *problem, size_t problem_size);

/* TEXT with ${NAME} replaced by our environment; "$${" stands for "${". Returns NULL with a sentence in
 * PROBLEM. */
char *setting_expand(Arena *arena, const char *text, char *problem, size_t problem_size);
