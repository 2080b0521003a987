# Shared by demo.sh and test.sh; sourced. Expects the project's directory in $project.

say()
{
        printf '%s\n' "$*"
}

die()
{
        printf '%s: %s\n' "${0##*/}" "$*" >&2
        exit 1
}

# packages_of GROUP...: the packages of these groups in contrib/packages.txt.
packages_of()
{
        local group

        for group in "$@"; do
                awk -v group="$group" '$1 == group { print $2 }' "$project/contrib/packages.txt"
        done
}

is_installed()
{
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# as_root COMMAND...: directly, or through sudo, which may ask for a password on a terminal.
as_root()
{
        if [ "$(id -u)" = 0 ]; then
                "$@"
        elif command -v sudo >/dev/null; then
                sudo "$@"
        else
                die "needs root to install packages and there is no sudo; as root run: apt-get install $missing"
        fi
}

# install_packages GROUP...: what is missing, quietly; apt-get's words are shown when it fails.
install_packages()
{
        local package log

        missing=
        if ! command -v dpkg-query >/dev/null; then
                say "This is no Debian: taking it that what contrib/packages.txt lists is here under other names."
                return 0
        fi
        for package in $(packages_of "$@"); do
                is_installed "$package" || missing="$missing $package"
        done
        [ -n "$missing" ] || return 0
        say "Installing with apt-get:$missing"
        log=$(mktemp)
        # Slim images leave out the directory that the Java package links its pages into.
        if ! { as_root mkdir -p /usr/share/man/man1 &&
                as_root apt-get -q update &&
                # shellcheck disable=SC2086 # one word a package
                as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing
        } </dev/null >"$log" 2>&1; then
                cat "$log" >&2
                rm -f "$log"
                die "apt-get could not install:$missing (its words are above)"
        fi
        rm -f "$log"
}
