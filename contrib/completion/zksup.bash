# bash completion for zksup(1)

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

_zksup_value()
{
        local cur=$1 option=$2 words=

        case $option in
        --restart) words='always on-failure never' ;;
        --reuse) words='skip wait' ;;
        --on-suspend) words='keep freeze stop signal:' ;;
        --on-loss) words='restart stop' ;;
        --ready) words='none notify fd:3 tcp: http:// exec:' ;;
        --contain) words='auto cgroup pidns subreaper' ;;
        --tty) words='auto yes no' ;;
        --acl) words='open creator read' ;;
        --nodes | -n) words='1 3' ;;
        --stop-signal) words='TERM INT HUP QUIT USR1 USR2' ;;
        --connect | -c) words="${ZKSUP_CONNECT-} 127.0.0.1:2181" ;;
        --auth-file | --java | --classpath)
                COMPREPLY=($(compgen -f -- "$cur"))
                return 0
                ;;
        --dir | -d)
                COMPREPLY=($(compgen -d -- "$cur"))
                return 0
                ;;
        --*-timeout | --timeout | --wait | --grace | --restart-* | --pool | --name | --first | --max | --prefer | --root | --port | --tick)
                return 0
                ;;
        *) return 1 ;;
        esac
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
        return 0
}

_zksup()
{
        local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]-} words=

        COMPREPLY=()
        _zksup_command && return
        if [ "$COMP_CWORD" -eq 1 ]; then
                COMPREPLY=($(compgen -W 'run ensemble help --help --version' -- "$cur"))
                return
        fi
        # "-n" is a name for run, a count for ensemble.
        [ "$verb $previous" = 'run -n' ] && return
        _zksup_value "$cur" "$previous" && return
        case "$verb ${COMP_WORDS[2]-}" in
        run*)
                words='--connect --session-timeout --connect-timeout --grace --auth-file --acl --root --quiet --verbose
                        --pool --first --max --prefer --reuse --wait --name --restart --restart-delay --restart-delay-max
                        --restart-reset --restart-limit --stop-signal --on-suspend --on-loss --ready --ready-timeout
                        --contain --tty --help --'
                ;;
        'ensemble up')
                words='--nodes --port --dir --tick --timeout --java --classpath --foreground --quiet --help'
                ;;
        'ensemble status') words='--connect --timeout --json --help' ;;
        ensemble*) [ "$COMP_CWORD" -eq 2 ] && words='up status --help' ;;
        help*) words='run ensemble' ;;
        esac
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

complete -F _zksup zksup
