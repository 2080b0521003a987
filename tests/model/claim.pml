/* The claim: one record, its grants, contenders that want it. src/recipe/claim.h is what it models.
 *
 * The promise: no tree of one holder executes while another's does.
 *
 * What the ensemble is here: one record, which is there or not, and in it the name of one grant. A
 * request commits once, at ANY time after it was sent, or never; its answer comes at any later time,
 * or never; and what was given up for lost may commit after newer requests of the same contender.
 * That is more than ZooKeeper does (it keeps the order within a session, and ends what a dead
 * session asked), so whatever decides there whether a request commits need not be named here: an
 * expiry at any moment, a reconnect, a server that is cut off, an ephemeral znode that an administrator
 * deletes, the order in the queue, a release that finds its znode gone. The exclusion rests on none
 * of these. A check of one's own znode that fails is a request that never commits; so is a take-over by
 * what a server that lags behind has shown. A take-over that claims in the same multi is a TAKE given up
 * for lost, followed at once by a CLAIM, of which both commit together.
 *
 * Time: every contender has a clock of its own, which may change its rate at will between 1 - rho and
 * 1 + rho of true time, with rho = 1/P: in each P ticks of true time one tick may be left out or count
 * twice. D = P - 1 and W = P + 1 are then exactly W = D (1 + rho) / (1 - rho); P = 10 is what the code
 * has (D = 9, W = 11), a smaller P is a coarser clock and a smaller model.
 *
 * The tree of a holder is taken to execute from the answer to the claim until its guard has killed
 * it, to the last tick of the lease: a child that is started anew within a hold is no new case. There
 * is no shortcut in the rule by which a successor on the same host (a boot id, say) waits less; so
 * none is modelled.
 *
 * EDICT 1: an administrator once deletes the grant under a record; the promise stands. EDICT 2: he
 * once deletes the record itself. Then the next one starts at once, while the holder may run on until
 * its lease ends; so what is checked is that all is well again P ticks later, when the longest
 * lease has run out. EDICT 3 is the same without that allowance: it must fail.
 *
 * MUT 0 is the rule, the others break it on purpose, see the end of the file.
 */
#ifndef MUT
#define MUT 0
#endif
#ifndef EDICT
#define EDICT 0
#endif
#ifndef N
#define N 2 /* contenders */
#endif
#ifndef P
#define P 4
#endif
#ifndef L
#define L 1 /* requests given up for lost that may commit yet, of all contenders together */
#endif
#define D (P - 1)
#if MUT == 1
#define W P
#elif MUT == 8
#define W D
#elif MUT == 10
#define W 0
#else
#define W (P + 1)
#endif

#define NONE  0 /* kinds of request */
#define CLAIM 1 /* multi[ create record, create grant ]         there is no record */
#define RENEW 2 /* multi[ set grant ]                           the grant is there */
#define DROP  3 /* multi[ delete grant, delete record ]         release, or a ghost of one's own */
#define TAKE  4 /* multi[ delete grant (version), delete record ] */

#define BARE 15 /* a record without a grant */

byte record;         /* 0: none; else the grant's name */
byte phase;          /* of true time, modulo P */

byte name[N];        /* the grant that I asked for last; 0: none, or nothing more to do about it */
byte lease[N];       /* ticks of my clock until the guard has killed the tree; 0: dead */
byte req[N], age[N]; /* my request under way, and ticks since it was sent */
bool done[N];        /* it is committed, the answer on its way */
byte sight[N];       /* ticks that the record has stood in my sight, unchanged, if I looked at once */
byte late[L], late_name[L];

#if EDICT
bool decreed;
byte since; /* true ticks since then */
#endif
#if MUT == 9
byte version, my_version[N], late_version[L];
#define VERSIONS 2
#endif

#if MUT == 7
#define IN_USE(x) (x != i + 1)
#else
#define IS_LATE(x) (x == late_name[0] || x == late_name[L - 1])
#define IN_USE(x) (x == record || x == name[0] || x == name[1] || x == name[N - 1] || IS_LATE(x))
#endif

/* A name never used before: one that nobody mentions any more is as good. */
inline choose_name() {
        k = 1;
        do
        :: IN_USE(k) -> k++
        :: else -> break
        od;
        name[i] = k;
        k = 0
}

/* The record is not what it was: whoever had it in sight begins anew, and a take-over that names the
 * old version will never commit. */
inline change() {
        k = 0;
        do
        :: k < N ->
#if MUT != 12
                sight[k] = 0;
#endif
#if MUT != 4
                if :: req[k] == TAKE && !done[k] -> req[k] = NONE :: else fi;
#endif
                k++
        :: else -> break
        od;
#if MUT != 4
        k = 0;
        do
        :: k < L -> if :: late[k] == TAKE -> late[k] = NONE :: else fi; k++
        :: else -> break
        od;
#endif
        k = 0
}

/* The grant is deleted: nothing that names it can ever commit. */
inline forget() {
        skip;
#if MUT != 7 && MUT != 9 && MUT != 6
        k = 0;
        do
        :: k < L -> if :: late_name[k] == record -> late[k] = NONE; late_name[k] = 0 :: else fi; k++
        :: else -> break
        od;
        k = 0
#endif
}

#if MUT == 6
#define DROPS(n, v) (record != 0)
#elif MUT == 9
#define DROPS(n, v) (record != 0 && version == v)
#else
#define DROPS(n, v) (record == n)
#endif
#define COMMITS(kind, n, v) (                  \
        (kind == CLAIM && record == 0) ||      \
        (kind == RENEW && record == n MORE) || \
        (kind == DROP && DROPS(n, v)) ||       \
        (kind == TAKE && record != 0))
#if MUT == 9
#define MORE && version < VERSIONS
#else
#define MORE
#endif

#if MUT == 9
#define SET_VERSION(v) version = v
#define KEEP_VERSION -> my_version[i] = version
#define OF_MINE my_version[i]
#define OF_LATE(j) late_version[j]
#else
#define SET_VERSION(v) skip
#define KEEP_VERSION
#define OF_MINE 0
#define OF_LATE(j) 0
#endif

inline commit(kind, n) {
        if
        :: kind == CLAIM -> record = n; SET_VERSION(1)
        :: kind == RENEW -> SET_VERSION(version + 1)
        :: kind == DROP || kind == TAKE -> forget(); record = 0; SET_VERSION(0)
        fi;
        change()
}

/* To a release or a take-over the answer does not matter. */
inline note() {
        if
        :: req[i] == DROP -> name[i] = 0; req[i] = NONE; done[i] = false
        :: req[i] == TAKE -> req[i] = NONE; done[i] = false
        :: else KEEP_VERSION
        fi
}

/* Neither the order of the contenders nor the letters of a name mean anything: of all states that differ
 * only in these one is enough. To read a counterexample, -DPLAIN. */
#if MUT == 7 || MUT == 9 || defined(PLAIN)
#define normalise() skip
#else
hidden byte old, next, new_name[16];

#define KEY(x) ((((lease[x] * P + age[x]) * (W + 1) + sight[x]) * 5 + req[x]) * 2 + done[x])
#define SWAP(field, x, y) old = field[x]; field[x] = field[y]; field[y] = old
#define ORDER(x, y)                                                                        \
        if                                                                                 \
        :: KEY(x) < KEY(y) ->                                                              \
                SWAP(lease, x, y); SWAP(age, x, y); SWAP(sight, x, y); SWAP(req, x, y);    \
                SWAP(done, x, y); SWAP(name, x, y)                                         \
        :: else                                                                            \
        fi
#define RENAME(x)                                                                          \
        if                                                                                 \
        :: x == 0 || x == BARE                                                             \
        :: else ->                                                                         \
                if :: new_name[x] == 0 -> next++; new_name[x] = next :: else fi;           \
                x = new_name[x]                                                            \
        fi

inline normalise() {
        d_step {
                ORDER(0, 1);
#if N > 2
                ORDER(1, 2); ORDER(0, 1);
#endif
                next = 0;
                do :: next < 15 -> new_name[next] = 0; next++ :: else -> break od;
                next = 0;
                RENAME(record); RENAME(name[0]); RENAME(name[1]);
#if N > 2
                RENAME(name[2]);
#endif
                RENAME(late_name[0]);
#if L > 1
                RENAME(late_name[1]);
#endif
                next = 0; old = 0
        }
}
#endif

#define RUNS(x) (lease[x] > 0)
#define OVERLAP ((RUNS(0) && RUNS(1)) || (N > 2 && RUNS(N - 1) && (RUNS(0) || RUNS(1))))
#if EDICT == 2
#define PROMISE (!OVERLAP || (decreed && since <= P))
#else
#define PROMISE !OVERLAP
#endif

inline send(kind) {
        req[i] = kind; age[i] = 0; done[i] = false
}

inline answered() {
        if
#if MUT == 2
        :: req[i] == CLAIM || (req[i] == RENEW && RUNS(i)) -> lease[i] = D
#else
        :: req[i] == CLAIM && age[i] < D -> lease[i] = D - age[i]
        :: req[i] == RENEW && RUNS(i) && D - age[i] > lease[i] -> lease[i] = D - age[i]
#endif
#if MUT == 3
        :: req[i] == RENEW && !RUNS(i) -> lease[i] = D
#endif
        :: else
        fi;
        req[i] = NONE; age[i] = 0; done[i] = false;
        assert(PROMISE)
}

inline give_up(j) {
        late[j] = req[i];
        late_name[j] = (req[i] == TAKE -> 0 : name[i])
#if MUT == 9
        ; late_version[j] = my_version[i]
#endif
}

proctype contender(byte i) {
        byte k;
        do
        /* Ask for it: under a new name, whatever the outcome of the last time was. */
        :: atomic { req[i] == NONE && !RUNS(i) && name[i] == 0 -> choose_name(); send(CLAIM); normalise() }
        :: atomic { req[i] == NONE && RUNS(i) -> send(RENEW); normalise() }
        /* Given back, or the ghost of a claim that was lost or of which nothing was heard. */
#if MUT == 5
        :: atomic { req[i] == NONE && name[i] != 0 -> send(DROP); normalise() }
#else
        :: atomic { req[i] == NONE && !RUNS(i) && name[i] != 0 -> send(DROP); normalise() }
#endif
        :: atomic { req[i] == NONE && !RUNS(i) && name[i] != 0 -> name[i] = 0; normalise() }
        /* The child has ended, or was stopped, and its tree is proved dead. */
        :: atomic { RUNS(i) -> lease[i] = 0; normalise() }

        /* A record in the way: looked at, and after W taken away by whoever likes. */
        :: atomic { req[i] == NONE && !RUNS(i) && record != 0 && sight[i] >= W -> send(TAKE); normalise() }

        :: atomic { req[i] != NONE && !done[i] && COMMITS(req[i], name[i], OF_MINE) ->
                done[i] = true; commit(req[i], name[i]); note(); normalise() }
        :: atomic { req[i] != NONE && done[i] -> answered(); normalise() }
        /* The connection breaks: refused, never to commit, or only its answer lost; or to commit yet. */
        :: atomic { req[i] != NONE ->
#if MUT == 11
                if :: req[i] == CLAIM && age[i] < D -> lease[i] = D - age[i] :: true fi;
#endif
                if
                :: true
                :: !done[i] && late[0] == NONE -> give_up(0)
#if L > 1
                :: !done[i] && late[0] != NONE && late[1] == NONE -> give_up(1)
#endif
                fi;
                req[i] = NONE; age[i] = 0; done[i] = false;
                assert(PROMISE); normalise() }
        od
}

/* What was given up for lost: committed late, or never. */
#define LATE(j)                                                                           \
        :: atomic { late[j] != NONE && COMMITS(late[j], late_name[j], OF_LATE(j)) ->     \
                kind = late[j]; n = late_name[j];                                         \
                commit(kind, n); late[j] = NONE; late_name[j] = 0;                        \
                kind = 0; n = 0; normalise() }                                            \
        :: atomic { late[j] != NONE -> late[j] = NONE; late_name[j] = 0; normalise() }

proctype network() {
        byte k, n, kind;
        do
        LATE(0)
#if L > 1
        LATE(1)
#endif
        od
}

inline advance(x) {
        lease[k] = (lease[k] > x -> lease[k] - x : 0);
        if :: req[k] == CLAIM || req[k] == RENEW -> age[k] = (age[k] + x < D -> age[k] + x : D) :: else fi;
        if :: record != 0 -> sight[k] = (sight[k] + x < W -> sight[k] + x : W) :: else fi
}

proctype clock() {
        byte k;
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
#if EDICT
                if :: decreed && since <= P -> since++ :: else fi;
#endif
                normalise() }
        od
}

#if EDICT
proctype administrator() {
        byte k;
        atomic { record != 0 -> forget();
#if EDICT == 1
                record = BARE;
#else
                record = 0;
#endif
                change(); decreed = true; normalise() }
}
#endif

init {
        byte i;
        atomic {
                do
                :: i < N -> run contender(i); i++
                :: else -> break
                od;
                i = 0;
                run network(); run clock();
#if EDICT
                run administrator()
#endif
        }
}

/* What check.py runs.
 *
 * holds  -DP=4 -DL=2
 * holds  -DP=10
 * holds  -DP=3 -DN=3
 * holds  -DP=3 -DEDICT=1
 * holds  -DP=3 -DEDICT=2
 * deep   -DP=10 -DL=2
 * deep   -DP=3 -DN=3 -DL=2
 * deep   -DP=5 -DN=3
 *
 * fails  -DP=3 -DMUT=1   the successor waits one tick less
 * fails  -DP=3 -DMUT=2   the deadline is counted from the answer
 * fails  -DP=3 -DMUT=3   a late answer revives a deadline that passed
 * fails  -DP=3 -DMUT=4   a take-over under way deletes whatever record it finds
 * fails  -DP=3 -DMUT=5   released before the tree is dead
 * fails  -DP=3 -DMUT=6   a ghost is deleted whosever it is
 * fails  -DP=3 -DMUT=7   the name of a grant is used again
 * fails  -DP=4 -DMUT=8   W = D, no allowance for the clocks
 * fails  -DP=3 -DMUT=9   released by record and version, not by grant
 * fails  -DP=3 -DMUT=10  the successor does not wait at all
 * fails  -DP=3 -DMUT=11  a claim whose outcome is unknown counts as granted
 * fails  -DP=3 -DMUT=12  taken over by name alone, whether a renewal has been seen or not
 * fails  -DP=3 -DEDICT=3  the record of a living holder is deleted by hand
 */
