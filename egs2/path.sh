# shellcheck shell=bash
# Sourced by every run.sh in its own folder: $python is the environment's (JST_VENV, else .venv at the project's root,
# else the one in PATH), and the package is this checkout's.
root=$(cd ../../.. && pwd)
python=${JST_VENV:-$root/.venv}/bin/python
[ -x "$python" ] || python=python3
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
