/* The bodies of commands: JSON, read by jansson, every member known and of its type. Each returns 0, or the status
 * to answer with and a sentence in PROBLEM. */
#pragma once

#include <stddef.h>

/* Nothing, or {}. */
int request_body_check_empty(const char *body, size_t len, char *problem, size_t problem_size);
/* {"signal": "HUP"} or {"signal": 1} */
int request_body_read_signal(const char *body, size_t len, int *signal, char *problem, size_t problem_size);
