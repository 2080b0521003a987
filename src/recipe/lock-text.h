/* The lock machine in words: its states, and whom one waits for. Internal to the lock machine. */
#pragma once

#include "recipe/lock-ask.h"

const char *lock_text_of_state(enum LockState state);
/* In line: says whom we wait for, if that has changed. */
void lock_text_tell(Lock *lock, uint64_t now_usec, Effects *effects);
