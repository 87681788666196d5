#!/usr/bin/env bash
# Makes the virtual environment $1 with a Python that the book supports, and installs what the book needs.
set -euo pipefail
folder=$1

fits() {  # is $1 a Python that runs, is supported, and can make environments?
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

pip() {  # Every version is pinned, so there is nothing to resolve; what is imported is compiled then.
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"
}

if ! fits "$folder/bin/python"; then
    tried=(python3 python3.13 python3.12 python3.11 python)
    if [ -n "${BOOK_PYTHON:-}" ]; then tried=("$BOOK_PYTHON"); fi
    found=
    for candidate in "${tried[@]}"; do
        if fits "$candidate"; then found=$candidate; break; fi
    done
    if [ -z "$found" ]; then
        echo "No Python 3.11, 3.12 or 3.13 with its venv module was found (tried: ${tried[*]})." \
            "Install one, or name it: make BOOK_PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    echo "Making $folder with $("$found" --version) ($(command -v "$found"))"
    "$found" -m venv --clear "$folder"
fi

echo "Installing the pinned packages into $folder (about a minute, more when they must be downloaded first)"
trap 'echo "The packages could not be installed; why, pip says above. Downloading them needs the network." >&2' ERR
# PyTorch is as large as all others together: beside them, on the other core.
pip --no-deps "$(grep '^torch==' requirements.txt)" & torch=$!
pip --no-deps -r <(grep -v '^torch==' requirements.txt)
wait $torch
pip --no-build-isolation -e .  # and what this machine's build of PyTorch wants on top
