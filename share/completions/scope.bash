# bash completion for scope
_scope() {
    local words
    case ${COMP_WORDS[1]} in
    pipelines) words='--json --plugins-dir --help' ;;
    models) words='list download verify remove --all --force --models-dir --help' ;;
    generate) words='--pipeline --prompt --prompt-file --input --lora --seconds --size --seed --fps
        --param --profile --output --models-dir --plugins-dir --help' ;;
    replay) words='--output --input --seconds --fps --profile --models-dir --plugins-dir --help' ;;
    doctor) words='--host --port --data-dir --models-dir --help' ;;
    version) words='--help' ;;
    serve | -*) words='--host --port --data-dir --models-dir --assets-dir --plugins-dir --pipeline
        --log-level --auth-token --ice-address --ice-servers --allow-host --allow-origin --record-log --record-input --device
        --no-browser --help' ;;
    *) words='serve generate replay pipelines models doctor version help' ;;
    esac
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --data-dir | --models-dir | --assets-dir | --plugins-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "${COMP_WORDS[COMP_CWORD]}")
        return
        ;;
    --prompt-file | --input | -i | --lora | --output | -o)
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
        return
        ;;
    --log-level) words='error warning info debug trace' ;;
    --device) words='auto cpu cuda cuda:0' ;;
    --pipeline | -p) words=$(scope pipelines --ids 2>/dev/null) ;;
    esac
    if [[ ${COMP_WORDS[1]} == replay && ${COMP_WORDS[COMP_CWORD]} != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -F _scope scope
