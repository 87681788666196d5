"""Arrays that do not fit each other are refused before a kernel could write beyond them."""

from __future__ import annotations

import numpy as np
import pytest

from counting import cells, dyck
from counting.engine import read, train
from counting.engine.packed import pack_blocks, pack_group, pack_words, shape_of

WORDS = dyck.pcfg(4, (2, 40), seed=1)
PACKED = pack_words(WORDS)
NETS = cells.initialize("gru", range(3))


def train_arguments() -> dict[str, object]:
    group = pack_group(NETS.parameters)
    return {
        "shape": shape_of("gru", NETS.parameters),
        "parameters": group,
        "moments": (np.zeros_like(group), np.zeros_like(group)),
        "powers": np.ones(2),
        "words": PACKED,
        "order": np.zeros((3, 2), np.int32),
        "learning_rate": 0.01,
    }


def read_arguments() -> dict[str, object]:
    (block,) = pack_blocks(NETS.parameters)
    words = {"tokens": WORDS.tokens, "targets": WORDS.targets, "lengths": WORDS.lengths}
    return {"shape": shape_of("gru", NETS.parameters), "parameters": block, **words}


TRAINING = {
    "rows of another cell": ("parameters", np.zeros((10, 3), np.float32), "parameters must be .* of shape .19, 3."),
    "whole numbers": ("parameters", np.zeros((19, 3), np.int64), "parameters must be float32 or float64"),
    "moments for fewer runs": ("moments", [np.zeros((19, 2), np.float32)] * 2, "moments must be float32 .* .19, 3."),
    "moments of another kind": ("moments", [np.zeros((19, 3))] * 2, "moments must be float32"),
    "powers of every run": ("powers", np.ones(6), "powers must be float64 of shape .2."),
    "an order for more runs": ("order", np.zeros((64, 2), np.int32), "one row a run, must be int32 of shape .3, any."),
    "an order of words that are not there": ("order", np.full((3, 2), 4, np.int32), "from 0 and below 4; got 4 to 4"),
    "an order of negative numbers": ("order", np.full((3, 2), -1, np.int32), "from 0 and below 4; got -1 to -1"),
    "no order": ("order", np.zeros((3, 0), np.int32), "at least one run and one word"),
    "words that are too long": (
        "words", PACKED._replace(lengths=PACKED.lengths + np.int32(99)), "lengths of words must be from 0 and below 33;"
    ),  # fmt: skip
    "fewer targets": (
        "words", PACKED._replace(targets=PACKED.targets[..., :1]), "targets must be uint32 of shape .4, 1, 2."
    ),
    "more symbols": (
        "words", PACKED._replace(symbols=np.repeat(PACKED.symbols, 2, axis=-1)), "symbols must be .* of shape .4, 1, 1."
    ),
}


@pytest.mark.parametrize("name", TRAINING)
def test_training(name):
    argument, value, message = TRAINING[name]
    train.train_epoch(**train_arguments())
    with pytest.raises(ValueError, match=message):
        train.train_epoch(**train_arguments() | {argument: value})


READING = {
    "a block of another cell": ("parameters", np.zeros(64, np.float32), "a block of parameters must be"),
    "fewer lengths": ("lengths", WORDS.lengths[:2], "tokens must be int8 of shape .2, any."),
    "lengths beyond the row": ("lengths", WORDS.lengths + np.int32(99), "lengths of words must be from 0 and below"),
    "wide tokens": ("tokens", WORDS.tokens.astype(np.int64), "tokens must be int8"),
    "symbols of another alphabet": ("tokens", WORDS.tokens + np.int8(1), "symbols must be from 0 and below 2; got"),
    "targets of other outputs": ("targets", WORDS.targets[..., :1], "targets must be int8 of shape .4, .*, 2."),
}


@pytest.mark.parametrize("name", READING)
def test_reading(name):
    argument, value, message = READING[name]
    arguments = read_arguments() | {argument: value}
    with pytest.raises(ValueError, match=message):
        train.losses(**arguments)
    with pytest.raises(ValueError, match=message):
        read.decide(**arguments, whole=False)


def test_tracing():
    shape, parameters, *_ = read_arguments().values()
    tokens, start = np.zeros(5, np.int8), np.zeros((3, 64), np.float32)
    state, logits, _ = read.trace(shape, parameters, tokens, start, 3)
    assert state.shape == (3, 5, 3) and logits.shape == (3, 5, 2)
    wide = start.astype(np.float64)
    for broken in ((tokens + np.int8(2), start, 3), (tokens, start[:2], 3), (tokens, wide, 3), (tokens, start, 65)):
        with pytest.raises(ValueError, match="must be"):
            read.trace(shape, parameters, *broken)
