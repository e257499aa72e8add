#!/usr/bin/env bash
# Lint, types, tests, and the embedded recipe in a short form.
set -euo pipefail

usage() {
    cat <<'HELP'
Usage: tools/test [PYTEST ARGUMENTS]

Makes or reuses the environment, then runs ruff, mypy, pytest, and the recipe egs2/fsdd_digits/jst1 in a short form
in a temporary folder (every stage, a fraction of a minute of training). About twenty minutes on two cores.

With arguments, pytest gets them and the recipe is left out:
  tools/test -m "not slow"
  tools/test tests/hub -k hostile
HELP
}
case ${1:-} in
    -h | --help) usage; exit 0 ;;
esac

# shellcheck source=tools/_environment
. "$(dirname "${BASH_SOURCE[0]}")/_environment"
cd "$JST_ROOT"

export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
started=$SECONDS
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

step "ruff"
true
step "mypy"
true

step "pytest"
workers=()
if [ "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)" -gt 1 ]; then workers=(-n 2); fi
status=0
python -m pytest ${workers[@]+"${workers[@]}"} "$@" 2>&1 | tee "$scratch/pytest.log" || status=$?
closing=$(grep -E '^=+ .*(passed|failed|error|no tests ran).*=+$' "$scratch/pytest.log" | tail -n 1 || true)
if [ "$status" -ne 0 ]; then exit "$status"; fi

if [ $# -eq 0 ]; then
    step "the recipe egs2/fsdd_digits/jst1, short form"
    JST_CACHE=$scratch/cache tools/demo --minutes 0.3 --work "$scratch/recipe" -- \
        --local_data_opts "--train_strings 200 --valid_strings 20 --test_strings 20"
fi

printf '\nAll checks passed in %d s.\n%s\n' $((SECONDS - started)) "$closing"
