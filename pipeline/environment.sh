#!/usr/bin/env bash
# Makes the virtual environment $1 with a Python that the book supports, and installs what the book needs.
set -euo pipefail
folder=$1

fits() {  # is $1 a Python that runs, is supported, and can make environments?
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

if ! fits "$folder/bin/python"; then
    found=
    for candidate in ${BOOK_PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if fits "$candidate"; then found=$candidate; break; fi
    done
    if [ -z "$found" ]; then
        echo "No Python 3.11, 3.12 or 3.13 with its venv module was found (tried: ${BOOK_PYTHON:-python3, python3.13," \
            "python3.12, python3.11, python}). Install one, or name it: make BOOK_PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    echo "Making $folder with $("$found" --version) ($(command -v "$found"))"
    "$found" -m venv --clear "$folder"
fi

echo "Installing the pinned packages into $folder (about a minute, more when they must be downloaded first)"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
