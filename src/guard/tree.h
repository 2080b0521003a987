/* The tree: all descendants of a process, found through /proc/PID/task/TID/children (which needs
 * CONFIG_PROC_CHILDREN) and signalled. Shared by the guard and by the supervisor, which kills in
 * the guard's place. Never allocates; uses a bounded stack.
 *
 * A walk races with fork and with exit, so one walk proves nothing: the caller repeats it until
 * waitid() or the list of its own children says that nobody is left. That converges even if only
 * the direct children are found, because a killed child's children become direct ones. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Whether PID, a direct child, with its descendants, belongs to the tree; NULL: all do. */
typedef bool (*TreeFilter)(pid_t pid, void *userdata);

typedef struct Tree {
        int proc_fd;     /* /proc, or -1: only direct children are found */
        int children_fd; /* /proc/self/task/SELF/children */
        TreeFilter filter;
        void *userdata;
        pid_t spare; /* gets no signal itself, only its descendants; 0: none */
} Tree;

/* Opens the descriptors, CLOEXEC. Returns 0 or a negative errno. */
int tree_open(Tree *tree);
void tree_close(Tree *tree);

/* Sends SIGNAL (0: to nobody, only counts) to every descendant of the calling process, parents
 * first. With SIGKILL the victim's priority is raised before, so that it gets the processor to
 * die on. Returns how many were found. */
unsigned tree_signal(const Tree *tree, int signal);
/* The same for the descendants of PID alone, without PID itself. */
unsigned tree_signal_below(const Tree *tree, pid_t pid, int signal);
/* SIGSTOP to every descendant, again until no new one is found: with its parent stopped nobody can be
 * born unseen. Returns how many there are. */
unsigned tree_stop(const Tree *tree);
/* Stops every descendant, so that the shape of the tree stays as it is, then kills. */
unsigned tree_kill(const Tree *tree);
