/* save() and restore() of recipe.h for a lock, and for an election, which is one. Internal to the two. */
#pragma once

#include "recipe/recipe.h"

bool lock_save(const void *lock, SavedWriter *writer);
int lock_restore(void *lock, Saved *saved);
