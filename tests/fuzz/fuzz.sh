#!/bin/sh
# Searches with libFuzzer (clang): tests/fuzz/fuzz.sh TARGET [SECONDS]. What it finds is written to
# the current directory; an input worth keeping goes into corpus/TARGET, where it is replayed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
target=${1:?say which target: text, machines, connect, cron, cron-machine, saved, config or http}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
more= libraries= options=
case $target in
http)
        api="$top/src/api"
        more="$top/tests/unit/api/fake-manager.c $api/decimal.c $api/http-reply.c $api/json-text.c $api/metric-text.c
                $api/metrics.c $api/metrics-process.c $api/render.c $api/request-body.c $api/router.c
                $api/router-public.c $api/snapshot.c $api/target.c"
        libraries=-ljansson
        ;;
config)
        unit="$top/src/unit"
        more="$top/src/config/*.c $unit/readiness-parse.c $unit/service-name.c $unit/unit-machine.c $unit/unit-step.c
                $unit/unit-names.c $unit/backoff.c"
        libraries=-lconfuse
        # The names of the settings are too long to be found by chance.
        sed -nE 's/^ +(GLOBAL|UNIT|ANY)\("([a-z-]+)".*/"\2 = "/p' "$top/src/config/schema.c" >"$scratch/words"
        printf '"%s"\n' 'unit \"a\" { ' 'defaults { ' 'command = x ' '${' ' = { ' ', ' '+= ' '/*' '*/' 'yes ' >>"$scratch/words"
        options=-dict=$scratch/words
        ;;
esac
clang -g -O1 -std=gnu17 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -I"$top/src" -I/usr/include \
        "$here/fuzz-$target.c" "$top"/src/recipe/*.c "$top"/src/client/hosts.c "$top"/src/client/acl.c \
        "$top"/src/util/*.c $more $libraries -lzookeeper_st -o "$scratch/fuzz"
cp -r "$here/corpus/$target" "$scratch/corpus"
"$scratch/fuzz" -max_total_time="${2:-60}" -max_len=4096 -print_final_stats=1 $options "$scratch/corpus"
