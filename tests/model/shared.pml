/* A lock that readers share: one writer, two readers. src/recipe/lock.h is what it models.
 *
 * The promise: while the tree of the writer executes, that of no reader does.
 *
 *   record              the writer's grant is in it; or
 *   record/shared       is there, and below it a grant for each reader that holds
 *
 * The ensemble, the requests and the clocks are those of claim.pml, which shows what holds among writers:
 * a request commits at any time, in any order, or never; rho = 1/P, D = P - 1, W = P + 1. The
 * deletion of a znode that has children fails, which is ZooKeeper's own rule. The writer takes the
 * grants of dead readers one by one, each by its version once that has stood for W; what is left then,
 * an empty "shared", holds nobody up and may be swept away at once, by anybody.
 * There are G names at a time, so with G = 3 somebody has to wait with a claim of his own while the grant of a
 * reader who died is there yet.
 *
 * MUT 0 is the rule, the others break it on purpose, see the end of the file.
 */
#ifndef MUT
#define MUT 0
#endif
#ifndef P
#define P 3
#endif
#ifndef G
#define G 3
#endif
#ifndef LATE
#define LATE 1 /* whether what is given up for lost may commit yet: without, for most mutants, it is quicker */
#endif
#define N 3 /* the writer is 0 */
#define D (P - 1)
#if MUT == 7
#define W D
#elif MUT == 3
#define W 0
#else
#define W (P + 1)
#endif

#define NONE   0  /* kinds of request */
#define CLAIM  1  /* the writer: multi[ create record, create grant ] */
#define JOIN   9  /* a reader: multi[ create record, create shared, create grant ] */
#define BESIDE 2  /* a reader: [ create grant below shared ] */
#define RENEW  3  /* [ set grant ] */
#define DROP   4  /* the writer: [ delete grant, delete record ]; a reader: [ delete grant ] */
#define LAST   5  /* a reader: [ delete grant, delete shared, delete record ] */
#define TAKE   6  /* a reader: [ delete the writer's grant (version), delete record ] */
#define PLUCK  7  /* the writer: [ delete a reader's grant (version) ] */
#define SWEEP  8  /* [ delete shared, delete record ]                    shared is empty */

#define SHARED 15

byte record;         /* 0: none; SHARED; else the name of the writer's grant */
bool there[G + 1];   /* a reader's grant of this name is below shared */
byte phase;

byte name[N], lease[N], req[N], age[N];
bool done[N];
byte sight[N];       /* readers: how long the writer's grant has stood */
byte stood[G + 1];   /* the writer: how long a reader's grant has */
byte aim;            /* ... and which one it is about to pluck */
byte late, late_name; /* a request given up for lost that may commit yet */

#define RUNS(x) (lease[x] > 0)
#define PROMISE !(RUNS(0) && (RUNS(1) || RUNS(2)))
#if G > 3
#define COUNT (there[1] + there[2] + there[3] + there[4])
#else
#define COUNT (there[1] + there[2] + there[3])
#endif
#define IN_USE(x) (x == record || there[x] || x == name[0] || x == name[1] || x == name[2] || x == late_name || x == aim)

hidden byte old, next, new_name[G + 1], was_there[G + 1], had_stood[G + 1];

#define SWAP(field) old = field[1]; field[1] = field[2]; field[2] = old
#define KEY(x) ((((lease[x] * P + age[x]) * (W + 1) + sight[x]) * 10 + req[x]) * 2 + done[x])
#define NAME_ANEW(x)                                              \
        if                                                        \
        :: x != 0 && x != SHARED && new_name[x] == 0 ->           \
                next++; new_name[x] = next                        \
        :: else                                                   \
        fi
#define RENAME(x)                                                 \
        if :: x != 0 && x != SHARED -> x = new_name[x] :: else fi

/* As in claim.pml: which reader is which, and the letters of a name, mean nothing. */
inline normalise() {
        d_step {
                if
                :: KEY(1) < KEY(2) -> SWAP(lease); SWAP(age); SWAP(sight); SWAP(req); SWAP(done); SWAP(name)
                :: else
                fi;
                NAME_ANEW(record); NAME_ANEW(name[0]); NAME_ANEW(name[1]); NAME_ANEW(name[2]);
                NAME_ANEW(late_name); NAME_ANEW(aim);
                old = 1;
                do :: old <= G -> if :: there[old] -> NAME_ANEW(old) :: else fi; old++ :: else -> break od;
                RENAME(record); RENAME(name[0]); RENAME(name[1]); RENAME(name[2]);
                RENAME(late_name); RENAME(aim);
                old = 1;
                do
                :: old <= G -> was_there[old] = there[old]; had_stood[old] = stood[old];
                        there[old] = false; stood[old] = 0; old++
                :: else -> break
                od;
                old = 1;
                do
                :: old <= G ->
                        if
                        :: was_there[old] -> there[new_name[old]] = true; stood[new_name[old]] = had_stood[old]
                        :: else
                        fi;
                        was_there[old] = false; had_stood[old] = 0; new_name[old] = 0; old++
                :: else -> break
                od;
                next = 0; old = 0
        }
}

inline choose_name() {
        k = 1;
        do
        :: k <= G && IN_USE(k) -> k++
        :: else -> break
        od;
        if :: k <= G -> name[i] = k; send((i == 0 -> CLAIM : JOIN)) :: else fi;
        k = 0
}

/* The record is another, or its grant is: a TAKE that names the old version will never commit. */
inline change_record() {
        sight[1] = 0; sight[2] = 0;
        if :: req[1] == TAKE -> req[1] = NONE :: else fi;
        if :: req[2] == TAKE -> req[2] = NONE :: else fi;
#if LATE
        if :: late == TAKE -> late = NONE :: else fi
#endif
}

/* The same for the grant of a reader. */
inline change_grant(n) {
#if MUT != 2
        stood[n] = 0;
#endif
#if MUT != 2
        if :: req[0] == PLUCK && aim == n -> req[0] = NONE; aim = 0 :: else fi;
#if LATE
        if :: late == PLUCK && late_name == n -> late = NONE; late_name = 0 :: else fi;
#endif
#endif
        skip
}

#if MUT == 1
#define LEAVES(n) there[n]
#else
#define LEAVES(n) (there[n] && COUNT == 1)
#endif
#if MUT == 4
#define HAS_SHARED (record != 0)
#else
#define HAS_SHARED (record == SHARED)
#endif
#if MUT == 5
#define IS_EMPTY true
#else
#define IS_EMPTY (COUNT == 0)
#endif

#define COMMITS(kind, n) (                                           \
        ((kind == CLAIM || kind == JOIN) && record == 0) ||          \
        (kind == BESIDE && HAS_SHARED) ||                            \
        (kind == RENEW && (record == n || there[n])) ||             \
        (kind == DROP && (record == n || there[n])) ||               \
        (kind == LAST && LEAVES(n)) ||                               \
        (kind == TAKE && record != 0 && record != SHARED) ||         \
        (kind == PLUCK && there[n]) ||                               \
        (kind == SWEEP && record == SHARED && IS_EMPTY))

inline commit(kind, n) {
        if
        :: kind == CLAIM -> record = n; change_record()
        :: kind == JOIN -> record = SHARED; there[n] = true; change_record()
        :: kind == BESIDE -> there[n] = true
        :: kind == RENEW && record == n -> change_record()
        :: kind == RENEW && record != n -> change_grant(n)
        :: kind == DROP && record == n -> record = 0; change_record()
        :: (kind == DROP && record != n) || kind == PLUCK -> there[n] = false; change_grant(n)
        :: kind == LAST -> there[n] = false; change_grant(n); record = 0;
#if MUT == 1
                there[1] = false; there[2] = false; there[3] = false;
#endif
                change_record()
        :: kind == TAKE || kind == SWEEP -> record = 0;
#if MUT == 5
                there[1] = false; there[2] = false; there[3] = false;
#endif
                change_record()
        fi
}

inline send(kind) {
        req[i] = kind; age[i] = 0; done[i] = false
}

/* To a request that asks for nothing the answer does not matter. */
inline committed(i) {
        if
        :: req[i] == DROP || req[i] == LAST -> name[i] = 0; req[i] = NONE
        :: req[i] == TAKE || req[i] == PLUCK || req[i] == SWEEP -> req[i] = NONE; aim = (i == 0 -> 0 : aim)
        :: else -> done[i] = true
        fi
}

inline answered() {
        if
        :: (req[i] == CLAIM || req[i] == JOIN || req[i] == BESIDE) && age[i] < D -> lease[i] = D - age[i]
        :: req[i] == RENEW && RUNS(i) && D - age[i] > lease[i] -> lease[i] = D - age[i]
        :: else
        fi;
        req[i] = NONE; age[i] = 0; done[i] = false;
        assert(PROMISE)
}

#define NAMED(i) (req[i] == PLUCK -> aim : (req[i] == TAKE || req[i] == SWEEP -> 0 : name[i]))

inline give_up() {
        if
        :: true
#if LATE
        :: !done[i] && late == NONE -> late = req[i]; late_name = NAMED(i)
#endif
        fi;
        req[i] = NONE; age[i] = 0; done[i] = false
}

#define IDLE (req[i] == NONE && !RUNS(i))
#if MUT == 6
#define MAY_DROP (req[i] == NONE)
#else
#define MAY_DROP IDLE
#endif
#define RIPE(x) (there[x] && stood[x] >= W)
#define PLUCKS(x) :: atomic { IDLE && RIPE(x) -> aim = x; send(PLUCK); normalise() }

/* What both do. */
#define BOTH                                                                             \
        :: atomic { IDLE && name[i] == 0 -> choose_name(); normalise() }                 \
        :: atomic { req[i] == NONE && RUNS(i) -> send(RENEW); normalise() }              \
        :: atomic { MAY_DROP && name[i] != 0 -> send(DROP); normalise() }                \
        :: atomic { IDLE && name[i] != 0 -> name[i] = 0; normalise() }                   \
        :: atomic { RUNS(i) -> lease[i] = 0; normalise() }                               \
        :: atomic { IDLE && record == SHARED && COUNT == 0 -> send(SWEEP); normalise() } \
        :: atomic { req[i] != NONE && done[i] -> answered(); normalise() }

proctype writer() {
        byte i, k;
        do
        BOTH
        PLUCKS(1)
        PLUCKS(2)
        PLUCKS(3)
#if G > 3
        PLUCKS(4)
#endif
        :: atomic { req[i] != NONE -> give_up(); aim = 0; normalise() }
        od
}

proctype reader(byte i) {
        byte k;
        do
        BOTH
        /* Beside the others, in place of the JOIN, if shared is seen to be there. */
        :: atomic { req[i] == JOIN && !done[i] && record != 0 -> req[i] = BESIDE; normalise() }
        :: atomic { MAY_DROP && name[i] != 0 -> send(LAST); normalise() }
        :: atomic { IDLE && record != 0 && record != SHARED && sight[i] >= W -> send(TAKE); normalise() }
        :: atomic { req[i] != NONE -> give_up(); normalise() }
        od
}

#define COMES(i) (req[i] != NONE && !done[i] && COMMITS(req[i], NAMED(i)))
#if LATE
#define COMES_LATE (late != NONE && COMMITS(late, late_name))
#else
#define COMES_LATE false
#endif

proctype ensemble() {
        byte who, what, which;
        do
        :: atomic { COMES(0) || COMES(1) || COMES(2) || COMES_LATE ->
                if
                :: COMES(0) -> who = 0; what = req[0]; which = NAMED(0)
                :: COMES(1) -> who = 1; what = req[1]; which = name[1]
                :: COMES(2) -> who = 2; what = req[2]; which = name[2]
#if LATE
                :: COMES_LATE -> who = N; what = late; which = late_name; late = NONE; late_name = 0
#endif
                fi;
                commit(what, which);
                if :: who < N -> committed(who) :: else fi;
                who = 0; what = 0; which = 0;
                normalise() }
#if LATE
        :: atomic { late != NONE -> late = NONE; late_name = 0; normalise() }
#endif
        od
}

#define MORE(what, x, max) what = (what + x < max -> what + x : max)

inline advance(x) {
        lease[k] = (lease[k] > x -> lease[k] - x : 0);
        if
        :: req[k] == CLAIM || req[k] == JOIN || req[k] == BESIDE || req[k] == RENEW -> MORE(age[k], x, D)
        :: else
        fi;
        if
        :: k > 0 && record != 0 && record != SHARED -> MORE(sight[k], x, W)
        :: k == 0 ->
                j = 1;
                do
                :: j <= G -> if :: there[j] -> MORE(stood[j], x, W) :: else fi; j++
                :: else -> break
                od;
                j = 0
        :: else
        fi
}

proctype clock() {
        byte k, j;
        do
        :: atomic { true ->
                k = 0;
                do
                :: k < N ->
                        if
                        :: phase == 0 -> skip
                        :: true -> advance(1)
                        :: phase == 0 -> advance(2)
                        fi;
                        k++
                :: else -> break
                od;
                k = 0;
                phase = (phase + 1) % P;
                normalise() }
        od
}

init {
        atomic { run writer(); run reader(1); run reader(2); run ensemble(); run clock() }
}

/* What check.py runs.
 *
 * holds  -DP=3 -DLATE=0
 * holds  -DP=2
 * deep   -DP=3
 *
 * fails  -DP=2 -DLATE=0 -DMUT=1  the last one out takes the others' grants with it
 * fails  -DP=3 -DLATE=0 -DMUT=2  plucked by name alone, whether a renewal has been seen or not
 * fails  -DP=2 -DLATE=0 -DMUT=3  nobody waits
 * fails  -DP=2 -DLATE=0 -DMUT=4  a reader comes in beside a writer
 * fails  -DP=2 -DLATE=0 -DMUT=5  a sweep takes whoever has come in meanwhile
 * fails  -DP=2 -DLATE=0 -DMUT=6  given back before the tree is dead
 * fails  -DP=2 -DLATE=0 -DMUT=7  W = D
 */
