/* What every recipe that gives one hold looks like to the layer that drives it: a machine, its claim,
 * and five functions. The gate of a unit (manager/) and the actors of the simulator drive any of
 * them through this table alone.
 *
 * The life of a hold, for all of them: EVENT_START asks; EFFECT_WAITING may come any number of times;
 * EFFECT_HELD opens, and from then on the claim is in the care of lease.h. EFFECT_YIELD asks for the
 * tree to be stopped while the hold is still good. When lease.h says that the claim is lost: stop the
 * tree, and once it is proved dead pass EVENT_DEAD, after which the machine cleans up and asks again
 * (it joins the queue anew). EVENT_RELEASE says that no tree runs and that nothing is wanted any
 * more; EFFECT_RELEASED answers it. After EFFECT_FAILED nothing is asked for until EVENT_RELEASE, which takes back what
 * was made so far; once it is answered EVENT_START tries anew. Several machines may share a session, and
 * want the same: what is whose they tell by the id of each, never by the session alone. */
#pragma once

#include "recipe/claim.h"

typedef struct RecipeType {
        const char *name; /* "lock": for people */
        void (*deinit)(void *machine);
        /* To be told before ATTACHED is delivered, at every connect. */
        void (*set_timing)(void *machine, const Timing *timing);
        void (*step)(void *machine, const Event *event, Effects *effects);
        uint64_t (*deadline)(const void *machine);
        /* Of the machine, to be handed to lease.h from EFFECT_HELD to its loss or EVENT_RELEASE. */
        Claim *(*claim)(void *machine);
        /* For the program that takes our place, in the same session. Returns false while a claim or its end is under way:
         * wait. What waits keeps its place, what is held stays held. */
        bool (*save)(const void *machine, SavedWriter *writer);
        /* Into a machine that was made of the same configuration and has had no event: it goes on at ATTACHED. Returns 0,
         * or -EBADMSG, and then the machine is of no use. */
        int (*restore)(void *machine, Saved *saved);
} RecipeType;
