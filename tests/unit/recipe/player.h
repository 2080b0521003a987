/* Players: recipe machines of any type, each with a session, its lease and its tree, against one server
 * (fake.h), request by request. Time stands still unless a test moves it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fake.h"
#include "recipe/recipe.h"
#include "util/clock.h"

#define SEC USEC_PER_SEC
#define PLAYERS 8
#define ASKED_MAX 4

typedef struct Player {
        const RecipeType *recipe;
        void *machine;
        int64_t session;
        bool held, waiting, released, failed;
        unsigned helds, yielded;
        Request asked[ASKED_MAX]; /* not applied yet, in order */
        size_t n_asked;
        int64_t token;
        char text[240];  /* what was said last */
        char trace[2000]; /* all transitions */
} Player;

typedef struct Game {
        Fake fake;
        Timing timing;
        uint64_t now;
        Player players[PLAYERS];
} Game;

int game_set_up(void **state);
int game_tear_down(void **state);

/* Player I gets MACHINE, a session, and asks. */
Player *game_join(Game *game, size_t i, const RecipeType *recipe, void *machine);
Player *game_join_as(Game *game, size_t i, int64_t session, const RecipeType *recipe, void *machine);
/* Whether a player that has not crashed has it. */
bool game_has_session(const Game *game, int64_t session);
void game_step(Game *game, Player *player, Event event);
void game_start(Game *game, Player *player);
/* Its oldest request: applied and answered, and all watches delivered. */
void game_answer(Game *game, Player *player);
/* Its oldest request: APPLIED if it is, but the reply is lost with the connection, as are those of all others.
 * The session lives on. */
void game_lose_reply(Game *game, Player *player, bool applied);
/* The same, and then the session expires. */
void game_expire(Game *game, Player *player);
/* The process is gone; its session lives until game_end_session(). */
void game_crash(Game *game, Player *player);
void game_end_session(Game *game, Player *player);
/* Answers everything, until nobody asks; retries that are due within a few seconds included. The tree of
 * a hold does not renew. */
void game_settle(Game *game);
/* Everybody is told the time, NOW + USEC, and everything is answered. */
void game_pass(Game *game, uint64_t usec);
/* The lease of PLAYER is renewed, as lease.h does. Returns the outcome. */
enum Outcome game_renew(Game *game, Player *player);
void game_release(Game *game, Player *player);
/* lease.h says that it is lost, and the tree is dead. */
void game_lose(Game *game, Player *player, const char *reason);

/* Delivers the watches that have fired; all but fake_ functions do that themselves. */
void game_pass_watches(Game *game);
/* The tree, for a test that fails. */
void game_print(const Game *game);
size_t game_children(const Game *game, const char *path);
/* Below PATH, the first child whose name contains PART; NULL: none. */
const char *game_find(const Game *game, const char *path, const char *part);
