#!/bin/bash
# Shows zksup at work: builds it in a scratch directory, starts a ZooKeeper server of its own and
# three supervisors, each with a small web server that needs a number nobody else has. On a terminal
# it then waits for Ctrl-C; without one, or with --no-wait, it ends. Whenever it ends it stops what
# it started and removes its scratch directory.
set -uo pipefail

project=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$project/contrib/lib.sh"
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"

wait_at_end=yes
[ -t 0 ] || wait_at_end=no
case "${1-}" in
--no-wait) wait_at_end=no ;;
--help)
        say "Usage: contrib/demo.sh [--no-wait]"
        exit 0
        ;;
'') ;;
*) die "there is no '$1'; the only option is --no-wait" ;;
esac

scratch=
ensemble=
declare -A supervisors=()

# Supervisors first: they give their numbers back while the server is still there.
cleanup()
{
        local status=$?

        trap '' INT TERM HUP
        trap - EXIT
        if [ ${#supervisors[@]} -gt 0 ] || [ -n "$ensemble" ]; then
                say
                say "Stopping what was started."
        fi
        [ ${#supervisors[@]} -eq 0 ] || kill -TERM "${supervisors[@]}" 2>/dev/null
        [ ${#supervisors[@]} -eq 0 ] || wait "${supervisors[@]}" 2>/dev/null
        [ -z "$ensemble" ] || kill -TERM "$ensemble" 2>/dev/null
        [ -z "$ensemble" ] || wait "$ensemble" 2>/dev/null
        [ -z "$scratch" ] || rm -rf "$scratch"
        exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# In a session of its own, so that Ctrl-C comes to this script alone and things stop in order.
# setsid does not fork here: a background job is no group leader. The process id is in $!.
start()
{
        local log=$1
        shift
        setsid "$@" </dev/null >"$log.out" 2>"$log.err" &
}

# ask PORT: the page's text, nothing if there is none. Plain bash, so that no tool is needed.
ask()
{
        (
                exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
                printf 'GET / HTTP/1.0\r\n\r\n' >&3
                sed '1,/^\r*$/d' <&3
        ) 2>/dev/null
}

# until_true SECONDS WHAT COMMAND...: polls; shows the logs and ends the demonstration when time is up.
until_true()
{
        local deadline=$((SECONDS + $1)) what=$2
        shift 2
        while ! "$@"; do
                if [ $SECONDS -ge $deadline ]; then
                        tail -n 20 "$scratch"/*.err >&2
                        die "not in time: $what; the last log lines are above"
                fi
                sleep 0.1
        done
}

answers() { [ -n "$(ask $((base + $1)))" ]; }
answers_other_than() { local a; a=$(ask $((base + $1))); [ -n "$a" ] && [ "$a" != "$2" ]; }
has_line() { [ -s "$1" ]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }

show()
{
        local n

        for n in "$@"; do
                printf '    GET http://127.0.0.1:%d/  ->  %s\n' $((base + n)) "$(ask $((base + n)))"
        done
}

supervise()
{
        start "$scratch/$1" "$zksup" run --connect "$connect" --pool demo -- \
                "$project/examples/number-server.py" --base "$base" --name "$1"
        supervisors[$1]=$!
}

build()
{
        meson setup "$scratch/build" "$project" -Dtests=false -Ddocs=disabled >"$scratch/build.log" 2>&1 &&
                ninja -C "$scratch/build" >>"$scratch/build.log" 2>&1 && return
        cat "$scratch/build.log" >&2
        die "the build failed; its words are above"
}

# A base whose next ten ports are free now.
free_base()
{
        /usr/bin/python3 - <<'PYTHON'
import socket
for base in range(8000, 60000, 100):
    sockets = []
    try:
        for port in range(base + 1, base + 11):
            s = socket.socket()
            sockets.append(s)
            s.bind(("127.0.0.1", port))
        print(base)
        break
    except OSError:
        pass
    finally:
        for s in sockets:
            s.close()
PYTHON
}

install_packages build zookeeper
scratch=$(mktemp -d) || die "cannot make a scratch directory"
say "Building zksup in $scratch."
build
zksup=$scratch/build/src/cli/zksup
export ZKSUP_GUARD=$scratch/build/src/guard/zksup-guard
base=$(free_base)
[ -n "$base" ] || die "no ten free ports in a row on 127.0.0.1"

say
say "1. A ZooKeeper server of our own: zksup ensemble up"
start "$scratch/ensemble" "$zksup" ensemble up
ensemble=$!
until_true 60 "ZooKeeper serves" has_line "$scratch/ensemble.out"
connect=$(head -n 1 "$scratch/ensemble.out")
say "    it serves at $connect"

say
say "2. Three supervisors, started at the same moment, as if on three hosts. Each one runs:"
say "    zksup run --connect $connect --pool demo -- examples/number-server.py --base $base"
for name in anna ben clara; do
        supervise "$name"
done
for n in 1 2 3; do
        until_true 30 "number $n answers" answers "$n"
done
say "   Each got a number of its own in ZK_SEQUENCE, without gaps, and listens on $base + its number:"
show 1 2 3

say
before=$(ask $((base + 1)))
victim=$(sed 's/.*process \([0-9]*\).*/\1/' <<<"$before")
say "3. The server with number 1 crashes (kill -9 $victim). Its supervisor starts it again, number kept:"
kill -KILL "$victim"
until_true 30 "number 1 answers again" answers_other_than 1 "$before"
show 1

say
second=$(ask $((base + 2)))
name=$(sed 's/^number [0-9]*, \([^,]*\),.*/\1/' <<<"$second")
say "4. We stop the supervisor '$name', which has number 2. It stops its server, then gives the number back."
kill -TERM "${supervisors[$name]}"
wait "${supervisors[$name]}"
say "    it ended with status $?; number 2 answers: $(ask $((base + 2)) || true)$(answers 2 || echo nothing)"
unset "supervisors[$name]"

say
say "5. A fourth supervisor comes, 'dora', and gets the free number, with a greater fencing token:"
supervise dora
until_true 30 "number 2 answers" answers 2
show 1 2 3

say
if [ "$wait_at_end" = yes ]; then
        say "That is all. It goes on running so that you can try things; Ctrl-C stops everything and cleans up."
        say "    state of the ensemble:  $zksup ensemble status --connect $connect"
        say "    logs of the servers:    $scratch/anna.err and so on"
        sleep infinity &
        sleeper=$!
        supervisors[sleeper]=$sleeper
        wait "$sleeper"
else
        say "That is all."
fi
