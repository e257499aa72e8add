# shellcheck shell=bash
# Sourced by every run.sh in its own folder: $python is the environment's (JST_VENV, else .venv at the project's root,
# else the one in PATH), and the package is this checkout's.
root=$(cd ../../.. && pwd)
python=${JST_VENV:-$root/.venv}/bin/python
[ -x "$python" ] || python=python3
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

# own_option NAME DEFAULT [CHOICE...]: an option of this run.sh alone, --NAME, out of $options into the variable NAME.
options=("$@")
own_option() {
    local own=$1 value=$2 choices=" ${*:3} " rest=()
    set -- ${options[@]+"${options[@]}"}
    while [ $# -gt 0 ]; do
        case $1 in
            "--$own")
                [ $# -gt 1 ] || { echo "error: --$own needs a value, such as $value" >&2; exit 1; }
                value=$2; shift 2 ;;
            "--$own="*) value=${1#*=}; shift ;;
            *) rest+=("$1"); shift ;;
        esac
    done
    case $choices in "  " | *" $value "*) ;; *) echo "error: --$own $value is none of:${choices% }" >&2; exit 1 ;; esac
    printf -v "$own" %s "$value"
    options=(${rest[@]+"${rest[@]}"})
}
