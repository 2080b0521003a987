/* The target of a request: "/v1/units/a%2Fb/log?lines=5" in its parts. Bounded, strict, no I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TARGET_PARTS_MAX 5
#define TARGET_PARAMETERS_MAX 4
#define TARGET_MAX 2048

typedef struct TargetParameter {
        const char *name, *value; /* decoded; "" without a '=' */
} TargetParameter;

typedef struct Target {
        const char *parts[TARGET_PARTS_MAX + 1]; /* decoded components of the path; ends with NULL */
        size_t n_parts;
        TargetParameter parameters[TARGET_PARAMETERS_MAX];
        size_t n_parameters;
        char text[TARGET_MAX + 1]; /* what they point into */
} Target;

/* Returns NULL, or what is wrong in words. */
const char *target_parse(Target *target, const char *text);
