#!/bin/bash
# Builds zksup plain (build/), with the address and undefined-behaviour sanitizers (build-dev/) and
# for release (build-release/), and runs every suite in the first two. Installs what it needs on Debian.
# Takes arguments for 'meson test', such as '--suite unit'. The last line says how many tests passed
# and failed.
set -uo pipefail

# A job in the background of a script is started with INT and QUIT ignored, one under nohup with HUP,
# and whatever is ignored is inherited; the tests of signals count on the defaults.
[ -n "${ZKSUP_TEST_SIGNALS-}" ] || ZKSUP_TEST_SIGNALS=default exec env --default-signal bash "$0" "$@"

project=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$project/contrib/lib.sh"
cd "$project" || exit 1

# Debian's python3 has the modules; another one may come first in PATH.
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
export LC_ALL=C.UTF-8

# build DIRECTORY MESON-OPTION...
build()
{
        local dir=$1
        shift
        if [ -f "$dir/build.ninja" ]; then
                meson setup --reconfigure "$dir" "$@" >"$dir/setup.log" 2>&1
        else
                rm -rf "$dir" && mkdir -p "$dir" && meson setup "$dir" "$@" >"$dir/setup.log" 2>&1
        fi || { cat "$dir/setup.log" >&2; return 1; }
        ninja -C "$dir"
}

status=0
logs=()
# run_suites DIRECTORY ARGUMENT...
run_suites()
{
        local dir=$1
        shift
        say
        say "== $dir"
        rm -f "$dir/meson-logs/testlog.json" "$dir/meson-logs/again.json"
        logs+=("$dir/meson-logs/testlog.json")
        meson test -C "$dir" --no-rebuild --print-errorlogs "$@" && return
        again "$dir" || status=1
}

# again DIRECTORY
# What failed for lateness alone is run once more by itself; the summary says so, whatever comes of it.
again()
{
        local dir=$1 late failed
        late=$(python3 contrib/late-tests.py "$dir/meson-logs/testlog.json")
        failed=$(grep -c '"result": "\(FAIL\|ERROR\|TIMEOUT\|INTERRUPT\)"' "$dir/meson-logs/testlog.json")
        [ -n "$late" ] || return
        say "Late, run once more: $late"
        rm -f "$dir/meson-logs/again.json"
        meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes 1 --logbase again $late &&
                [ "$(echo "$late" | wc -w)" = "$failed" ]
}

install_packages build zookeeper test
started=$SECONDS
# The third is what the README installs, with the warnings that only -O3 brings.
if build build -Dwerror=true -Ddocs=enabled && build build-dev --native-file build-dev.ini &&
        build build-release -Dwerror=true -Dtests=false --buildtype=release; then
        say "Built three times in $((SECONDS - started)) s."
        run_suites build "$@"
        # Sanitizers slow a program down two to five times.
        run_suites build-dev --timeout-multiplier 4 "$@"
        say
        python3 "$project/contrib/summarise-tests.py" "${logs[@]}" || status=1
else
        say "The build failed; see above."
        say "0 passed, 1 failed"
        status=1
fi
exit $status
