/* save() and restore() of recipe.h for a semaphore. Internal to it. */
#pragma once

#include "recipe/recipe.h"

bool semaphore_save(const void *semaphore, SavedWriter *writer);
int semaphore_restore(void *semaphore, Saved *saved);
