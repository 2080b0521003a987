/* Where things are and may be: the Java program, the jars, ports, directories. Each function says
 * what is missing and what to install or to say instead. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The program for WANTED (NULL: "java"), searched in PATH unless it has a slash. Returns 0 with a
 * path for the caller to free, or a negative errno with a sentence in PROBLEM. */
int places_find_java(char **out, const char *wanted, char *problem, size_t size);
/* The class path WANTED (NULL: Debian's), every file of which must be there. As above. */
int places_find_classpath(char **out, const char *wanted, char *problem, size_t size);
/* N ports of 127.0.0.1 that are free now: FIRST, FIRST + 1 and so on, or with FIRST 0 any. They
 * are not kept: somebody else may take one before the server does, which then says so. */
int places_find_ports(uint16_t *ports, size_t n, uint64_t first, char *problem, size_t size);
/* Removes a directory and all in it, without following links or crossing file systems. */
void places_remove_tree(const char *dir);
