"""How near the engine is to the floor: the time that the same count of SIMD operations needs on this core.

    python benchmarks/floor.py             about a minute
    python benchmarks/floor.py --record    and keep it for the book

**The count** is of the engine's own functions, compiled once more for float32 and one cell, in the vectorized code
that LLVM makes of them before it chooses registers: every SIMD operation that the results need and memory that they
read and write, but no spill, no copy, no address, no branch. It is taken by class for one vector of runs and one
symbol: step, read-out and step back, or for evaluation step and decision. A comparison that only chooses the smaller
of its operands is one minimum. For each word come Adam's operations and the sums of weight_ih and bias_ih; to sort
the runs and to move them into blocks is how the engine works, not what must be computed, and counts as nothing.

**The micro-kernel** is machine code with just these numbers of instructions, the classes mixed evenly, none waiting
for another's result, loads folded into arithmetic and all data in the nearest cache. So every unit is as busy as
this mix allows. Its time is the floor; only other operations, not another order of them, could be faster.

Processor seconds, best of several, one thread on one core, engine and micro-kernel in turn. x86-64 with AVX2 or
AVX-512 only: the micro-kernel is written in its machine code.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import re
import sys
import time
from collections import Counter
from collections.abc import Callable

import llvmlite.binding as llvm
import numba
import numpy as np
import pandas as pd
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from counting import cells, dyck, measurements, regimens, training
from counting.engine import adam, block, layout, read, readout
from counting.engine.lanes import LANES, kernel
from counting.engine.packed import pack_blocks

RUNS, WORDS, LENGTH, EPOCHS, ROUNDS = 512, 2_000, 30, 6, 5

BAR = 2.0
"""Most that the engine's time may be of the floor."""

# Of LLVM's vector operations, each class that the units of a core tell apart. All others are no instruction of theirs:
# freeze, bitcast and phi are none at all, operations on masks (i1) have their own unit.
CLASSES = {
    "fmul": "multiply",
    "fadd": "add",
    "fsub": "add",
    "fdiv": "divide",
    "llvm.sqrt": "square root",
    "fcmp": "compare",
    "icmp": "compare",
    "select": "select",
    "fneg": "logic",
    "llvm.fabs": "logic",
    "and": "logic",
    "or": "logic",
    "xor": "logic",
    "add": "integer",
    "sub": "integer",
    "shl": "integer",
    "load": "load",
    "llvm.masked.load": "load",
    "store": "store",
}

_REALS, _BITS, _FLAGS = types.float32[::1], types.uint32[::1], types.int32[::1]

_INSTRUCTION = re.compile(r"\s*(?:%([\w.]+) = )?(?:tail )?(\w+) (.*)")
_VECTOR = re.compile(r"<(\d+) x (float|i32|i1)>")


def operations(function: Callable, *arguments: types.Type) -> tuple[Counter[str], int]:
    """SIMD operations of a loop over lanes, by class, for one vector; and the lanes of a vector.

    Of several versions of a loop (a leaky ReLU has its own) the one with fewest operations counts.
    """
    compiled = kernel()(function.py_func)
    compiled.compile(arguments)
    (code,) = compiled.inspect_llvm().values()
    parts = [(part.lstrip().split(":")[0], _count(part)) for part in re.split(r"\n(?=[\w.\"]+:)", code)]
    bodies = [counts for name, counts in parts if re.fullmatch(r"vector\.body\d*", name)]
    if not bodies:
        sys.exit(f"{function.__name__} was not vectorized on this machine, so there is nothing to count")
    # What several versions have in common stands behind them.
    shared = sum((counts for name, counts in parts if name.startswith("common.ret")), Counter())
    total = min(bodies, key=Counter.total) + shared
    ((lanes, _),) = Counter(lanes for _, lanes in total).most_common(1)
    # LLVM lays out four vectors in turn, or unrolls a short loop to all of a block's.
    unrolled = all(number % (LANES // lanes) == 0 for number in total.values())
    vectors = LANES // lanes if unrolled else 4
    return Counter({name: number / vectors for (name, width), number in total.items() if width == lanes}), lanes


def _count(code: str) -> Counter[tuple[str, int]]:
    """(class, lanes) of every SIMD operation in a piece of LLVM's code."""
    counts: Counter[tuple[str, int]] = Counter()
    compared: dict[str, set[str]] = {}
    for line in code.splitlines():
        instruction, vector = _INSTRUCTION.match(line), _VECTOR.search(line)
        if not instruction or not vector:
            continue
        result, name, rest = instruction.groups()
        if name == "call":
            name = next((called for called in CLASSES if f"@{called}." in rest), name)
        # Of a mask only comparisons and what is chosen by them count.
        if name not in CLASSES or (vector[2] == "i1" and name in ("and", "or", "xor")):
            continue
        lanes = int(vector[1])
        operands = _VECTOR.sub("", rest).split(", ")
        if name == "fcmp":
            compared[f"%{result}"] = {operands[0].split()[-1], operands[1].strip()}
        chosen = {operand.strip() for operand in operands[1:]}
        if name == "select" and compared.get(operands[0].strip()) == chosen:
            counts["compare", lanes] -= 1
            counts["minimum", lanes] += 1
        else:
            counts[CLASSES[name], lanes] += 1
    return counts


@functools.cache
def counts(cell: str) -> tuple[dict[str, Counter[str]], int]:
    """Operations for one vector of runs: of one symbol "learned", of one symbol "read", of one "word"; its lanes."""
    shape = layout.shape(block.GATES[block.CELLS.index(cell)])
    kind = numba.typeof(shape)
    real, step = types.float32, types.int64
    forward, lanes = operations(block.forward, kind, _REALS, real, _BITS, step, _REALS, _REALS)
    mse = types.literal(readout.MSE)
    outputs, _ = operations(block.read_out, kind, mse, _REALS, _BITS, _REALS, step, _REALS, _REALS, _REALS)
    back, _ = operations(block.back, kind, _REALS, real, _BITS, step, _REALS, _REALS, _REALS)
    reading, _ = operations(block.advance, kind, _REALS, _REALS)
    deciding, _ = operations(read._judge, kind, _REALS, types.int8[::1], types.int32, _REALS, _FLAGS, _FLAGS)
    powers, sizes = types.float64[::1], (step, step, step)
    update, _ = operations(adam.step, _REALS, _REALS, _REALS, _REALS, powers, types.float64, *sizes)
    word = Counter({name: n * layout.parameter_rows(shape) for name, n in update.items()})
    word["add"] += 3 * len(shape.gates)
    return {"learned": forward + outputs + back, "read": reading + deciding, "word": word}, lanes


# AT&T syntax, as LLVM reads it: {s} a register that is only read, {d} one that is only written, {k} a mask.
AVX512 = {
    "multiply": "vmulps {s}, %zmm16, {d}",
    "add": "vaddps {s}, %zmm16, {d}",
    "divide": "vdivps {s}, %zmm16, {d}",
    "square root": "vsqrtps {s}, {d}",
    "compare": "vcmpltps {s}, %zmm16, {k}",
    "minimum": "vminps {s}, %zmm16, {d}",
    "select": "vblendmps {s}, %zmm16, {d} {{%k1}}",
    "logic": "vpandd {s}, %zmm16, {d}",
    "integer": "vpaddd {s}, %zmm16, {d}",
    "load": "vmovaps {s}, {d}",
    "store": "vmovaps %zmm16, {m}",
}
AVX2 = {name: text.replace("%zmm16", "%ymm14") for name, text in AVX512.items()} | {
    "compare": "vcmpltps {s}, %ymm14, {d}",
    "select": "vblendvps %ymm15, {s}, %ymm14, {d}",
    "logic": "vpand {s}, %ymm14, {d}",
}
FOLDING = ("add", "multiply", "minimum")
"""Classes whose instruction may read one operand from memory, at no more cost than the load."""

HALF = 64
"""Vectors that loads go round in; stores have as many behind them. Together 8 KiB: the nearest cache holds them."""


def instructions(mix: Counter[str], lanes: int) -> list[str]:
    """One round of the micro-kernel: the instructions of a mix, each class evenly spread."""
    whole = {name: round(number) for name, number in mix.items() if round(number)}
    order = sorted(((i + 0.5) / number, name) for name, number in whole.items() for i in range(number))
    templates, register = (AVX512, "zmm") if lanes == 16 else (AVX2, "ymm")
    free, read_only = (16, "%zmm17") if lanes == 16 else (14, "%ymm15")
    loads = whole.pop("load", 0)
    hosts = sum(whole.get(name, 0) for name in FOLDING)
    text, seen, folded, stores = [], 0, 0, 0
    for i, (_, name) in enumerate(order):
        source = read_only
        if name == "load":
            # What no arithmetic can take along stays an instruction of its own.
            if loads <= hosts:
                continue
            loads -= 1
            source = f"{4 * lanes * (loads % HALF)}(%rdx)"
        elif name in FOLDING and loads:
            seen += 1
            if seen * min(loads, hosts) // hosts > folded:
                source = f"{4 * lanes * (folded % HALF)}(%rdx)"
                folded += 1
        stores += name == "store"
        place = f"{4 * lanes * (HALF + stores % HALF)}(%rdx)"
        fields = {"s": source, "d": f"%{register}{i % free}", "k": f"%k{2 + i % 6}", "m": place}
        text.append(templates[name].format(**fields))
    return text


def micro_kernel(mix: Counter[str], lanes: int) -> Callable[[int], float]:
    """Compile a mix: a call runs so many rounds of it and returns the processor seconds of one."""
    registers, first = ("zmm", 16) if lanes == 16 else ("ymm", 14)
    setup = ["mov $0, %rcx", "mov $1, %rdx"]
    setup += [f"vmovaps (%rdx), %{registers}{first + i}" for i in range(2)]
    lines = [text.replace("$", "$$") for text in instructions(mix, lanes)]
    assembly = "\n".join([*setup, ".p2align 6", "1:", *lines, "dec %rcx", "jnz 1b", "vzeroupper"])
    clobbers = [f"xmm{i}" for i in range(32 if lanes == 16 else 16)]
    clobbers += [f"k{i}" for i in range(1, 8)] if lanes == 16 else []
    constraint = ",".join(["r", "r", *(f"~{{{name}}}" for name in ["rcx", "rdx", *clobbers, "memory", "cc"])])

    @intrinsic
    def rounds_of(typing, rounds, address):
        def codegen(context, builder, signature, args):
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 2)
            builder.asm(kind, assembly, constraint, args, True)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    llvm.initialize_native_asmparser()

    @numba.njit
    def run(rounds, address):
        rounds_of(rounds, address)

    # Ones: no operation on them is slow, as it may be with subnormal numbers.
    raw = np.ones(2 * HALF * lanes + 16, np.float32)
    address = raw.ctypes.data + -raw.ctypes.data % 64

    def seconds(rounds: int) -> float:
        assert raw.size
        start = time.process_time()
        run(rounds, address)
        return (time.process_time() - start) / rounds

    return seconds


@functools.cache
def _micro_kernels(cell: str) -> dict[str, Callable[[], float]]:
    """Compile "learned", "read" and "word": a call measures once, ns for each run."""
    mixes, lanes = counts(cell)
    kernels = {name: micro_kernel(mix, lanes) for name, mix in mixes.items()}
    return {name: lambda f=f: 1e9 * f(20_000) / lanes for name, f in kernels.items()}


def floor_ns(cell: str, symbols_per_word: float, times: int = 20) -> float:
    """Measure the floor of training: ns for each symbol and run, its share of a word's step of Adam included."""
    measure = _micro_kernels(cell)
    best = {name: min(measure[name]() for _ in range(times)) for name in ("learned", "word")}
    return best["learned"] + best["word"] / symbols_per_word


def evaluation_floor_ns(cell: str, times: int = 20) -> float:
    """Measure the floor of evaluation: ns for each symbol and run."""
    measure = _micro_kernels(cell)["read"]
    return min(measure() for _ in range(times))


def training_ns(cell: str, words: dyck.Words) -> float:
    """Measure the engine's time of training, ns for each symbol and run: all of `training.train`."""
    regimen = regimens.PAPER[cell].but(epochs=EPOCHS)
    start = time.process_time()
    training.train(regimen, words, words[:1], range(RUNS), checkpoints=[], threads=1, progress=False)
    return 1e9 * (time.process_time() - start) / (RUNS * EPOCHS * int(words.lengths.sum()))


def evaluation_ns(cell: str, words: dyck.Words) -> float:
    """Measure the engine's time of reading and deciding, ns for each symbol and run."""
    parameters = pack_blocks(cells.initialize(cell, range(LANES)).parameters)[0]
    start = time.process_time()
    shape = layout.shape(block.GATES[block.CELLS.index(cell)])
    read.decide(shape, parameters, words.tokens, words.targets, words.lengths, True)
    return 1e9 * (time.process_time() - start) / (LANES * int(words.lengths.sum()))


def compare(cell: str) -> list[dict[str, object]]:
    """Time and floor of a cell: training on equal words and on the paper's, evaluation on one long word."""
    equal = dyck.uniform(WORDS // 2, LENGTH, seed=1)[np.arange(WORDS) % (WORDS // 2)]
    paper = dyck.paper_splits()["train"][:WORDS]
    long = dyck.uniform(1, 20_000, seed=1)
    tasks = [
        (f"training, words of {LENGTH} symbols", equal, training_ns, lambda w: floor_ns(cell, LENGTH, 5)),
        ("training, the paper's words", paper, training_ns, lambda w: floor_ns(cell, w.lengths.mean(), 5)),
        ("evaluation, a word of 20,000 symbols", long, evaluation_ns, lambda w: evaluation_floor_ns(cell, 5)),
    ]
    rows = []
    for name, words, engine, floor in tasks:
        engine(cell, words)
        measured = [(engine(cell, words), floor(words)) for _ in range(ROUNDS)]
        ours, least = (min(column) for column in zip(*measured, strict=True))
        rows.append(
            {
                "cell": cell,
                "what": name,
                "floor, ns per symbol and run": least,
                "engine, ns per symbol and run": ours,
                "engine / floor": ours / least,
            }
        )
    return rows


def main() -> None:
    """Read the command line, count and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="keep the table in results/measured")
    arguments = parser.parse_args()
    if platform.machine().lower() not in ("x86_64", "amd64"):
        sys.exit(f"the micro-kernel is x86-64 machine code, and this is {platform.machine()}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    floors = pd.DataFrame([row for cell in cells.CELLS for row in compare(cell)])
    print(floors.to_string(index=False, float_format="{:.2f}".format))
    if arguments.record:
        print("kept in", measurements.record("floor", {"floor": floors}))
    if (floors["engine / floor"] > BAR).any():
        sys.exit(f"a bar is missed: engine / floor ≤ {BAR:g}")


if __name__ == "__main__":
    main()
