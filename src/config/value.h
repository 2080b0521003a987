/* What a value may be, in a configuration file as on the command line: one parser for each kind of value,
 * with a sentence for people about what is wrong with it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads TEXT into what VALUE points to. Returns 0, or a negative errno with a sentence in PROBLEM that goes
 * on after the text. What VALUE gets may point into TEXT. */
typedef int (*ValueParser)(const char *text, void *value, char *problem, size_t problem_size);

/* One of some words; the last has a NULL name. */
typedef struct ValueChoice {
        const char *name;
        int value;
} ValueChoice;

/* Sets *VALUE to that of the word TEXT, else says in PROBLEM which there are. */
int value_choose(const ValueChoice *choices, const char *text, int *value, char *problem, size_t problem_size);

/* Whether the first N characters of TEXT can be the name of a variable of the environment. */
bool value_is_variable(const char *text, size_t n);

/* The type behind VALUE follows each. */
int value_parse_string(const char *text, void *value, char *problem, size_t problem_size);    /* const char * */
int value_parse_duration(const char *text, void *value, char *problem, size_t problem_size);  /* uint64_t, usec */
int value_parse_number(const char *text, void *value, char *problem, size_t problem_size);    /* uint64_t */
int value_parse_component(const char *text, void *value, char *problem, size_t problem_size); /* znode name */
int value_parse_root(const char *text, void *value, char *problem, size_t problem_size);      /* znode path */
int value_parse_signal(const char *text, void *value, char *problem, size_t problem_size);    /* int */
int value_parse_size(const char *text, void *value, char *problem, size_t problem_size);      /* uint64_t, bytes */
int value_parse_flag(const char *text, void *value, char *problem, size_t problem_size);      /* bool */

int value_parse_restart(const char *text, void *value, char *problem, size_t problem_size);       /* UnitRestart */
int value_parse_restart_limit(const char *text, void *value, char *problem, size_t problem_size); /* BackoffPolicy */
int value_parse_on_suspend(const char *text, void *value, char *problem, size_t problem_size);    /* UnitPolicy */
int value_parse_on_loss(const char *text, void *value, char *problem, size_t problem_size);       /* UnitPolicy */
int value_parse_on_unkillable(const char *text, void *value, char *problem, size_t problem_size); /* UnitPolicy */
int value_parse_ready(const char *text, void *value, char *problem, size_t problem_size); /* ReadinessConfig */
int value_parse_contain(const char *text, void *value, char *problem, size_t problem_size); /* ContainMode */

int value_parse_reuse(const char *text, void *value, char *problem, size_t problem_size);    /* SequenceReuse */
int value_parse_priority(const char *text, void *value, char *problem, size_t problem_size); /* uint64_t */
int value_parse_give_up(const char *text, void *value, char *problem, size_t problem_size);  /* uint64_t */
int value_parse_slots(const char *text, void *value, char *problem, size_t problem_size);    /* uint64_t */
int value_parse_schedule(const char *text, void *value, char *problem, size_t problem_size); /* CronSchedule */
int value_parse_overlap(const char *text, void *value, char *problem, size_t problem_size);  /* CronOverlap */
int value_parse_missed(const char *text, void *value, char *problem, size_t problem_size);   /* ConfigMissed */
