# bash completion for zksup(1). Verbs, options and what may stand after an option are taken from the program's
# own help.

# The words after "--" are a command of their own.
_zksup_command()
{
        local i

        for ((i = 1; i < COMP_CWORD; i++)); do
                if [ "${COMP_WORDS[i]}" = -- ]; then
                        if declare -F _comp_command_offset >/dev/null; then
                                _comp_command_offset $((i + 1))
                        elif declare -F _command_offset >/dev/null; then
                                _command_offset $((i + 1))
                        else
                                COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
                        fi
                        return 0
                fi
        done
        return 1
}

_zksup_verbs()
{
        "$1" help 2>/dev/null | sed -nE 's/^  ([a-z][a-z-]*) .*/\1/p'
}

# One line for each option of a verb: "--name -letter ARGUMENT", with "-" for what it has not.
_zksup_options()
{
        "$@" --help 2>/dev/null |
                sed -nE 's/^  (-(.),|   ) --([a-z-]+)( ([^ ]+))?( .*)?$/--\3 -\2 \5/p'
}

_zksup_value()
{
        local cur=$1 option=$2 argument=$3 words=

        case $option,$argument in
        --ready,*) words='none notify fd:3 tcp: http:// exec:' ;;
        --acl,*) words='open creator read' ;;
        --stop-signal,*) words='TERM INT HUP QUIT USR1 USR2' ;;
        --connect,*) words="${ZKSUP_CONNECT-} 127.0.0.1:2181" ;;
        --java,* | --classpath,* | --socket,* | *,FILE)
                COMPREPLY=($(compgen -f -- "$cur"))
                return
                ;;
        *,DIR)
                COMPREPLY=($(compgen -d -- "$cur"))
                return
                ;;
        *,*'|'*) # "keep|freeze|stop|signal:NAME"
                words=${argument//|/ }
                words=${words%NAME}
                ;;
        esac
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

# The names of the units of the supervisor that is meant.
_zksup_units()
{
        local i socket=${ZKSUP_SOCKET-}

        for ((i = 2; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i - 1]} in -s | --socket) socket=${COMP_WORDS[i]} ;; esac
        done
        ZKSUP_SOCKET=$socket "$1" status --names --timeout 2s 2>/dev/null
}

# What may stand there without an option.
_zksup_operands()
{
        case $2 in
        run | lead | lock | cron) echo -- ;; # the command follows
        status | start | stop | restart | step-down | logs) _zksup_units "$1" ;;
        signal) _zksup_units "$1" && echo HUP INT QUIT TERM USR1 USR2 ;;
        who) echo hosts numbers leaders locks slots cron services ;;
        esac
}

_zksup()
{
        local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]-}
        local program=${COMP_WORDS[0]} name letter argument words=
        local -a ask

        COMPREPLY=()
        _zksup_command && return
        if [ "$COMP_CWORD" -eq 1 ]; then
                COMPREPLY=($(compgen -W "$(_zksup_verbs "$program") --help --version" -- "$cur"))
                return
        fi
        ask=("$program" "$verb")
        case $verb in
        help)
                [ "$COMP_CWORD" -eq 2 ] && COMPREPLY=($(compgen -W "$(_zksup_verbs "$program")" -- "$cur"))
                return
                ;;
        ensemble)
                if [ "$COMP_CWORD" -eq 2 ]; then
                        COMPREPLY=($(compgen -W 'up status --help' -- "$cur"))
                        return
                fi
                ask+=("${COMP_WORDS[2]}")
                ;;
        esac
        while read -r name letter argument; do
                if [ -n "$argument" ] && { [ "$previous" = "$name" ] || [ "$previous" = "$letter" ]; }; then
                        _zksup_value "$cur" "$name" "$argument"
                        return
                fi
                words+=" $name"
        done < <(_zksup_options "${ask[@]}")
        words+=" --help $(_zksup_operands "$program" "$verb")"
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

complete -F _zksup zksup
