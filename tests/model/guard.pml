/* The supervisor, the guard, the command and two descendants of it: who kills the tree when one of the
 * two that could is stopped or killed. src/guard/policy.h and src/unit/spawn.h are what it models, with
 * containment by subreaper, which is the weakest.
 *
 * The promise, as long as never both supervisor and guard are stopped or dead at once:
 *   1 the tree is empty when the deadline on the lease page comes
 *   2 the hold is given back, and a new one asked for, only while the tree is empty
 *   3 a guard whose supervisor has died has killed the tree a grace later
 * And when both are killed (BOTH 1), only this: the command itself dies with its guard, from the
 * moment on when it could do anything. Its descendants may live on; a subreaper cannot help that.
 *
 * Signals from outside come at any step: SIGSTOP, SIGCONT and SIGKILL to the supervisor and the guard,
 * SIGKILL to the others. A command or descendant that is stopped is one that takes no step; SIGKILL asks
 * none of it. A message takes as long as it likes. Time is in ticks, and no tick comes before whoever
 * runs has done what is due: the kill budget K, here one tick, covers being late, and the rounds of
 * killing that a tree which goes on forking takes. The stop signal is left out: a tree may ignore it.
 *
 * MUT 0 is the rule, the others break it on purpose, see the end of the file.
 */
#ifndef MUT
#define MUT 0
#endif
#ifndef BOTH
#define BOTH 0
#endif
#ifndef D
#define D 3
#endif
#define K 1
#define GONE_GRACE 1

mtype = { runs, stopped, dead };                      /* supervisor, guard */
mtype = { idle, spawning, running, stopping, killing }; /* the guard's policy */
mtype = { none, forked, marked, checked, user };      /* the command: what it has got to; none: no process */
mtype = { by_guard, by_command, by_other, by_supervisor, by_init }; /* whose child a process is */
mtype = { start, stop, exited, empty_tree };          /* messages */

mtype supervisor = runs, guard = runs;
byte page;                     /* ticks to the deadline, as the supervisor has written it; 0: past */

/* the supervisor */
bool hold;                     /* a record says that we hold it */
bool asked;                    /* a START was sent, and no proof has come that its tree is empty */
bool stop_sent;
bool news;                     /* SIGCHLD says that the guard has stopped or died */
bool lost;                     /* I have heard, and kill in its place */

/* the guard */
mtype policy = idle;
byte timer;                    /* ticks until it wakes and looks at the page */
bool gone;                     /* it has seen the end of the socket */
bool told;                     /* EXITED is said */
#if MUT == 5
bool spared[2];                /* not there yet when the round began */
#endif

mtype command = none, command_of = by_guard;
bool alive[2];                 /* the descendants ... */
mtype child_of[2];             /* ... by_other: of the other one */

byte orphaned;                 /* ticks since the supervisor died */

chan to_guard = [3] of { mtype };
chan to_supervisor = [4] of { mtype };

#define TREE_EMPTY (command == none && !alive[0] && !alive[1])
#if BOTH
#define SAFE !(guard == dead && (command == checked || command == user))
#define ONE_FAULT(other) true
#else
#define SAFE (page > 0 || TREE_EMPTY)
#define ONE_FAULT(other) (other == runs)
#endif

/* Whom an orphan goes to: the nearest subreaper that lives. */
#if MUT == 7
#define GUARD_ADOPTS false
#else
#define GUARD_ADOPTS (guard != dead)
#endif
#if MUT == 8
#define HEIR by_init
#else
#define HEIR (supervisor != dead -> by_supervisor : by_init)
#endif

/* What is below the guard, and what the supervisor has adopted. */
#define COMMAND_BELOW (command != none && command_of == by_guard && guard != dead)
#define NEAR(x) (alive[x] && guard != dead && (child_of[x] == by_guard || (child_of[x] == by_command && COMMAND_BELOW)))
#define BELOW(x) (NEAR(x) || (alive[x] && child_of[x] == by_other && NEAR(1 - (x))))
#define OWN(x) (alive[x] && (child_of[x] == by_supervisor || (child_of[x] == by_command && command_of == by_supervisor)))
#define COMMAND_MINE (COMMAND_BELOW || (command != none && command_of == by_supervisor))
#define MINE(x) (BELOW(x) || OWN(x) || (alive[x] && child_of[x] == by_other && OWN(1 - (x))))

inline lose_parent(x) {
        child_of[x] = (BELOW(x) && GUARD_ADOPTS -> by_guard : HEIR)
}

inline command_dies() {
        if :: alive[0] && child_of[0] == by_command -> lose_parent(0) :: else fi;
        if :: alive[1] && child_of[1] == by_command -> lose_parent(1) :: else fi;
        command = none; command_of = by_guard
}

inline dies(x) {
        if :: alive[1 - x] && child_of[1 - x] == by_other -> lose_parent(1 - x) :: else fi;
        alive[x] = false; child_of[x] = 0
}

inline guard_dies() {
        guard = dead; policy = idle; timer = 0; gone = false; told = false;
        if :: child_of[0] == by_guard -> child_of[0] = HEIR :: else fi;
        if :: child_of[1] == by_guard -> child_of[1] = HEIR :: else fi;
        if :: command != none && command_of == by_guard -> command_of = HEIR :: else fi;
        if /* PR_SET_PDEATHSIG */
        :: command == marked || command == checked || command == user -> command_dies()
        :: else
        fi
}

inline start_by_command(x) { alive[x] = true; child_of[x] = by_command; assert(SAFE) }
inline start_by_other(x) { alive[x] = true; child_of[x] = by_other; assert(SAFE) }

/* ---------------------------------------------------------------------------------------------- */

#if MUT == 1
#define FINDS(x) false
#elif MUT == 5
#define FINDS(x) (BELOW(x) && !spared[x])
#else
#define FINDS(x) BELOW(x)
#endif

#define WAKES ((policy == running || policy == stopping) && timer == 0)
#define GUARD_DUE (guard == runs && ( \
        WAKES || (policy == spawning && page <= K) || \
        (policy == killing && (COMMAND_BELOW || FINDS(0) || FINDS(1))) || \
        (supervisor == dead && HEARS_END && !gone)))
#if MUT == 9
#define HEARS_END false
#else
#define HEARS_END true
#endif

#if MUT == 5
#define BEGIN_ROUND ; spared[0] = !alive[0]; spared[1] = !alive[1]
#else
#define BEGIN_ROUND
#endif

inline arm() {
        timer = (page > K -> page - K : 0)
}

proctype guard_process() {
        do
        :: atomic { guard == runs && policy == idle && to_guard ? [start] && nfull(to_supervisor) ->
                to_guard ? start;
                if
#if MUT != 6
                :: page <= K -> to_supervisor ! empty_tree /* refused: the deadline is too near */
                :: page > K -> policy = spawning; arm()
#else
                :: policy = spawning; arm()
#endif
                fi }
        :: atomic { guard == runs && policy == spawning ->
                policy = running; command = forked; command_of = by_guard; assert(SAFE) }
        :: atomic { guard == runs && policy != spawning && to_guard ? [stop] -> to_guard ? stop;
                if :: policy == running -> policy = stopping :: else fi }
        /* The timer: read the page again. */
        :: atomic { guard == runs && WAKES ->
                if
                :: page <= K || gone -> policy = killing BEGIN_ROUND
#if MUT == 4
                :: else -> timer = D - K
#else
                :: else -> arm()
#endif
                fi }
        /* The command has ended and somebody is left; they have a grace. */
        :: atomic { guard == runs && policy == running && command == none && (BELOW(0) || BELOW(1)) -> policy = stopping }
#if MUT == 2
        :: atomic { guard == runs && (policy == running || policy == stopping || policy == killing) && !told &&
                command == none && nfull(to_supervisor) ->
                told = true; to_supervisor ! exited }
#endif
        :: atomic { guard == runs && policy == stopping -> policy = killing BEGIN_ROUND }
        :: atomic { guard == runs && policy == killing && COMMAND_BELOW -> command_dies() }
        :: atomic { guard == runs && policy == killing && FINDS(0) -> dies(0) }
        :: atomic { guard == runs && policy == killing && FINDS(1) -> dies(1) }
        /* No child left, adopted ones included. */
        :: atomic { guard == runs && policy != idle && policy != spawning && !COMMAND_BELOW && !BELOW(0) && !BELOW(1) &&
                nfull(to_supervisor) ->
                to_supervisor ! empty_tree; policy = idle; timer = 0; told = false }
        /* The end of the socket, after what was in it. */
        :: atomic { guard == runs && supervisor == dead && HEARS_END && !gone && empty(to_guard) && policy != spawning ->
                gone = true;
                if :: policy == running -> policy = stopping :: else fi;
                if :: timer > GONE_GRACE -> timer = GONE_GRACE :: else fi }
        od
}

/* ---------------------------------------------------------------------------------------------- */

#if MUT == 3
#define WATCHES false
#else
#define WATCHES true
#endif
#if MUT == 10 /* concludes without making sure that the guard can do nothing more */
#define KILLS_GUARD false
#define GUARD_IS_OVER true
#else
#define KILLS_GUARD (guard != dead)
#define GUARD_IS_OVER (guard == dead)
#endif
#define SUPERVISOR_DUE (supervisor == runs && WATCHES && ( \
        (news && !lost) || (lost && (COMMAND_MINE || MINE(0) || MINE(1) || KILLS_GUARD))))

#define NEW_RUN_ALLOWED (hold && !asked && !lost && guard != dead)

inline forget_messages() {
        do
        :: nempty(to_guard) -> to_guard ? _
        :: nempty(to_supervisor) -> to_supervisor ? _
        :: empty(to_guard) && empty(to_supervisor) -> break
        od
}

proctype supervisor_process() {
        do
        /* Claimed anew, renewed in time, given back. */
        :: atomic { supervisor == runs && !hold && !asked && !lost -> assert(BOTH || TREE_EMPTY); hold = true; page = D }
        :: atomic { supervisor == runs && hold && page > K && page < D -> page++ }
#if MUT == 11 /* gives back once it has asked for the end */
        :: atomic { supervisor == runs && hold && (!asked || stop_sent) ->
#else
        :: atomic { supervisor == runs && hold && !asked ->
#endif
                assert(BOTH || TREE_EMPTY); hold = false; page = 0 }
        :: atomic { supervisor == runs && NEW_RUN_ALLOWED && nfull(to_guard) -> to_guard ! start; asked = true; stop_sent = false }
        :: atomic { supervisor == runs && asked && !lost && !stop_sent && nfull(to_guard) -> to_guard ! stop; stop_sent = true }
        :: atomic { supervisor == runs && to_supervisor ? [empty_tree] -> to_supervisor ? empty_tree; asked = false }
#if MUT == 2
        :: atomic { supervisor == runs && to_supervisor ? [exited] -> to_supervisor ? exited; asked = false }
#endif
        /* The guard has stopped or died: the tree is killed from here, and the guard with it. */
        :: atomic { supervisor == runs && WATCHES && news -> news = false; lost = true }
        :: atomic { supervisor == runs && lost && COMMAND_MINE -> command_dies() }
        :: atomic { supervisor == runs && lost && MINE(0) -> dies(0) }
        :: atomic { supervisor == runs && lost && MINE(1) -> dies(1) }
        :: atomic { supervisor == runs && lost && KILLS_GUARD -> guard_dies(); assert(SAFE) }
        :: atomic { supervisor == runs && lost && GUARD_IS_OVER && !COMMAND_MINE && !MINE(0) && !MINE(1) ->
                forget_messages(); lost = false; news = false; asked = false; stop_sent = false }
        :: atomic { supervisor == runs && guard == dead && !news && !lost && !asked -> guard = runs }
        od
}

/* ---------------------------------------------------------------------------------------------- */

proctype tree() {
        do
        :: atomic { command == forked -> command = marked }
        /* It asks whether the guard died before the mark was set. */
#if MUT == 12
        :: atomic { command == marked -> command = checked; assert(SAFE) }
#else
        :: atomic { command == marked && command_of == by_guard -> command = checked; assert(SAFE) }
        :: atomic { command == marked && command_of != by_guard -> command_dies() }
#endif
        :: atomic { command == checked -> command = user; assert(SAFE) }
        :: atomic { command == user && !alive[0] -> start_by_command(0) }
        :: atomic { command == user && !alive[1] -> start_by_command(1) }
        :: atomic { alive[0] && !alive[1] -> start_by_other(1) }
        :: atomic { alive[1] && !alive[0] -> start_by_other(0) }
        :: atomic { command != none -> command_dies() }
        :: atomic { alive[0] -> dies(0) }
        :: atomic { alive[1] -> dies(1) }
        od
}

proctype outside() {
        do
        :: atomic { supervisor == runs && ONE_FAULT(guard) -> supervisor = stopped }
        :: atomic { supervisor == stopped -> supervisor = runs }
        :: atomic { supervisor != dead && ONE_FAULT(guard) -> supervisor = dead; news = false;
                if :: command_of == by_supervisor -> command_of = by_init :: else fi;
                if :: child_of[0] == by_supervisor -> child_of[0] = by_init :: else fi;
                if :: child_of[1] == by_supervisor -> child_of[1] = by_init :: else fi }
        :: atomic { guard == runs && ONE_FAULT(supervisor) -> guard = stopped; news = true }
        /* A stop that is over before it was waited for is not reported. */
        :: atomic { guard == stopped -> guard = runs; if :: true :: news = false fi }
        :: atomic { guard != dead && ONE_FAULT(supervisor) -> guard_dies(); news = (supervisor != dead); assert(SAFE) }
        od
}

proctype clock() {
        do
        :: atomic { !GUARD_DUE && !SUPERVISOR_DUE ->
                if :: page > 0 -> page-- :: else fi;
                if :: timer > 0 -> timer-- :: else fi;
                if :: supervisor == dead && orphaned <= GONE_GRACE -> orphaned++ :: else fi;
                assert(SAFE);
                assert(BOTH || orphaned <= GONE_GRACE || TREE_EMPTY) }
        od
}

init {
        atomic { run guard_process(); run supervisor_process(); run tree(); run outside(); run clock() }
}

/* What check.py runs.
 *
 * holds  -DD=3
 * holds  -DD=6
 * holds  -DBOTH=1
 *
 * fails  -DMUT=1   only the command is killed, not what it started
 * fails  -DMUT=2   the end of the command counts as the end of the tree
 * fails  -DMUT=3   the supervisor does not watch its guard
 * fails  -DMUT=4   the guard counts a renewed lease from when it sees it
 * fails  -DMUT=5   one round of killing, which races with fork
 * fails  -DMUT=6   a start is not refused when the deadline has passed
 * fails  -DMUT=7   the guard is no subreaper
 * fails  -DMUT=8   the supervisor is no subreaper
 * fails  -DMUT=9   the guard does not notice that its supervisor died
 * fails  -DMUT=10  the supervisor takes a stopped guard for a dead one
 * fails  -DMUT=11  given back when the stop was sent
 * fails  -DMUT=12 -DBOTH=1  the command does not ask whether its guard has died already
 */
