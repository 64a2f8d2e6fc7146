#!/usr/bin/env bash
# Makes the virtual environment named by the first argument, with everything m2fnet needs, training included.
# PYTHON=/path/to/python chooses the interpreter; else the first of the usual names that is at least 3.11.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
venv=${1:?usage: setup.sh VENV}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local name
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
        if recent "$name"; then command -v "$name"; return; fi
    done
    fail "no Python 3.11 or newer found (looked for \$PYTHON, python3, python3.13, python3.12, python3.11, python);" \
        "install one, or name it: make PYTHON=/path/to/python3.11"
}

# Debian and Ubuntu keep the part of Python that makes environments in a package of its own.
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }
need_venv_module() {
    can_make_venv "$1" && return
    local version
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$here/scripts/system_packages.sh" "python$version-venv" || true
    can_make_venv "$1" || fail "$1 cannot make virtual environments; install python$version-venv (or its full build)"
}

main() {
    local python
    if ! recent "$venv/bin/python"; then
        python=$(find_python)
        need_venv_module "$python"
        say "making $venv with $python ($("$python" --version))"
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    say "installing m2fnet and what it needs into $venv: several GB the first time, minutes"
    local quiet=(-qq)
    [ -t 1 ] && quiet=() # somebody who waits wants to see it move
    (cd "$here" && "$venv/bin/python" -m pip install "${quiet[@]}" --disable-pip-version-check --retries 10 --timeout 60 \
        -c constraints.txt -e '.[train,dev]') || fail "pip could not install everything; see its message above"
    # Microphones need PortAudio; files, cameras and browsers do not, so going on without it is right.
    "$here/scripts/system_packages.sh" audio || true
}

main
