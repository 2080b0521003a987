#!/bin/sh -e
# verify.sh SYSTEMD-ANALYZE ZKSUP UNIT...: the unit files as systemd reads them, with the program as it was built
# in the place of the installed one. systemd-analyze warns of what it does not know and succeeds, so any word is a failure.
analyze=$1 zksup=$(realpath "$2")
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for unit; do
        name=$(basename "$unit" | sed 's/@\.service/@instance.service/')
        sed "s|^\(Exec[A-Za-z]*=\)[^ ]*/zksup |\1$zksup |" "$unit" > "$dir/$name"
        said=$("$analyze" verify --man=no --recursive-errors=no "$dir/$name" 2>&1) || true
        if [ -n "$said" ]; then
                echo "$name: $said"
                exit 1
        fi
        echo "$name: nothing to say against it"
done
