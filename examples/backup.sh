#!/bin/sh
# backup.sh SOURCE TARGET: keeps two generations of SOURCE in the directory TARGET, which several hosts share.
#
#     zksup lock backup --session-timeout 40s -- examples/backup.sh /srv/data /mnt/backups
#
# The lock sees to it that one host at a time is at it. Copying may take long, and if the lock is lost meanwhile
# the script is killed; what it was copying stays behind as TARGET/new and does no harm. The step that does harm
# if two hosts are at it is the last one, so right before it the script asks whether the lock is provably its
# own for longer than that step takes.
set -eu

if [ $# -ne 2 ]; then
        echo "usage: zksup lock backup -- backup.sh SOURCE TARGET" >&2
        exit 64
fi
source=$1
target=$2
zksup=${ZKSUP:-zksup}

# By the token one sees in what order the backups were made, and by whom the last one: storage that can compare
# should refuse a token that is smaller than the greatest it has seen.
rm -rf "$target/new"
mkdir -p "$target/new"
cp -a "$source/." "$target/new/"
echo "${ZK_FENCE:-}" >"$target/new/.fence"
sync

if ! "$zksup" still-mine --for 10s; then
        echo "backup.sh: the lock is not provably ours for another 10s: both generations stay as they are" >&2
        exit 75
fi
rm -rf "$target/previous"
if [ -d "$target/current" ]; then
        mv "$target/current" "$target/previous"
fi
mv "$target/new" "$target/current"
