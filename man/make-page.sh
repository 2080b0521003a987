#!/bin/sh
# make-page.sh SCDOC PARTS <PAGE.scd: the page, with each line @NAME@ replaced by PARTS/NAME.scd. What several pages
# have in common is written once, and every page is whole for whoever reads it.
set -eu

scdoc=$1
parts=$2

page=$(while IFS= read -r line; do
        case $line in
        @*@)
                name=${line#@}
                cat "$parts/${name%@}.scd" || exit
                ;;
        *) printf '%s\n' "$line" ;;
        esac
done)
printf '%s\n' "$page" | "$scdoc"
