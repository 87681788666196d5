"""The same bits on every machine: train, read and certify the same few networks and print digests of what comes out.

    python benchmarks/same_bits.py                       prints this machine's row
    python benchmarks/same_bits.py --record "a name"     also keeps it, beside the rows of other machines, for the book
    NUMBA_CPU_NAME=x86-64 python benchmarks/same_bits.py …     as a processor without wide vectors would

It needs neither PyTorch nor Matplotlib, so that it runs where they do not. Under emulation:

    PYTHONPATH=.:site qemu-aarch64 -L root root/usr/bin/python3.11 benchmarks/same_bits.py …

with Debian's arm64 packages of Python unpacked in `root`, and in `site` the wheels of numpy, numba, llvmlite, pandas,
python-dateutil, six, platformdirs, safetensors and tqdm that `pip download --platform manylinux_2_28_aarch64` gives.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform

import numpy as np

from counting import cells, certificate, dyck, evaluation, files, measurements, regimens, training
from counting.cells import Networks

RUNS, WORDS, LONGEST = 64, 50, 100
DTYPES = ("float32", "float64")


def digest(*arrays: np.ndarray) -> str:
    """Return the first half of the arrays' SHA-256."""
    together = hashlib.sha256()
    for array in arrays:
        together.update(np.ascontiguousarray(array).tobytes())
    return together.hexdigest()[:32]


def start(cell: str) -> Networks:
    """Draw initial networks without PyTorch."""
    draw = np.random.Generator(np.random.PCG64(0))
    shapes = cells.shapes(cell).items()
    return Networks(cell, {name: draw.uniform(-1, 1, (RUNS, *shape)).astype(np.float32) for name, shape in shapes})


def row(name: str) -> dict[str, str]:
    """Compute this machine's digests: trained parameters and losses, first failures, certificates."""
    words, words_to_choose = dyck.pcfg(WORDS, (2, 50), seed=0), dyck.pcfg(WORDS, (2, 50), seed=1)
    read = dyck.pcfg(WORDS, (52, 100), seed=2)
    vectors = os.environ.get("NUMBA_CPU_NAME", "all it has")
    found = {"machine": name, "architecture": platform.machine(), "vectors": vectors}
    for cell in cells.CELLS:
        stacks, losses = [], []
        for recipe in (regimens.PAPER[cell], regimens.COUNTING[cell]):
            for dtype in DTYPES:
                regimen = recipe.but(dtype=dtype)
                runs = training.train(regimen, words, words_to_choose, range(RUNS), checkpoints=[], start=start(cell),
                                      progress=False)  # fmt: skip
                stacks.append(runs.networks)
                losses.append(runs.losses)
        numbers = [array for nets in stacks for array in nets.parameters.values()]
        found[f"{cell}: trained"] = digest(*numbers, *losses)
        found[f"{cell}: read"] = digest(*(evaluation.first_failure(nets, read) for nets in stacks))
        verdicts = [certificate.certify(stacks[0][run], LONGEST, replay=False) for run in range(16)]
        bounds = [(c.proved, c.lower, c.upper or 0) for c in verdicts]
        found[f"{cell}: certified"] = digest(np.array(bounds, np.int64))
    return found


def record(found: dict[str, str]) -> None:
    """Keep the row, in place of an earlier one of the same machine."""
    path = measurements.FOLDER / "same_bits.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machine": {}, "tables": {"rows": []}}
    others = [other for other in content["tables"]["rows"] if other["machine"] != found["machine"]]
    content["tables"]["rows"] = [*others, found]
    files.write(path, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", metavar="NAME", help="keep the row in results/measured under this name")
    name = parser.parse_args().record
    found = row(name or "this machine")
    print(json.dumps(found, indent=1))
    if name:
        record(found)
