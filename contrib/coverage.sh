#!/bin/sh
# Line coverage of the pure machines by the suites that need nothing but the compiler. Fails below
# 90 % for any of src/recipe, the machines of src/unit, and the guard's policy.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$top/build-coverage}
[ -f "$build/build.ninja" ] || meson setup "$build" "$top" -Db_coverage=true >/dev/null
ninja -C "$build" >/dev/null
SIM_SCHEDULES=${SIM_SCHEDULES:-10000} env --default-signal \
        meson test -C "$build" --no-rebuild --quiet --suite unit --suite sim --suite fuzz
status=0
for part in 'src/recipe/' 'src/unit/(unit-|backoff)' 'src/guard/policy'; do
        echo "== $part"
        gcovr --root "$top" --object-directory "$build" --filter "$top/$part" --fail-under-line 90 "$build" || status=1
done
exit $status
