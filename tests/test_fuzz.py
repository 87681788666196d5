"""Whatever is put into a public function, it answers, or raises what its docstring promises: no IndexError from its
inside, no warning, no hang. A longer search: `FUZZ_EXAMPLES=2000 pytest tests/test_fuzz.py`.

Files that hold a network have a search of their own, `benchmarks/fuzz.py`; a short one is here.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from damaged_files import Call, damaged, torch_file, whole_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counting import (
    anatomy,
    cells,
    certificate,
    dyck,
    evaluation,
    measurements,
    modelfile,
    pickled,
    regimens,
    results,
    rounding,
    statistics,
    training,
)
from counting.__main__ import main
from counting.cells import Networks
from counting.dyck import Words
from counting.modelfile import BadModel
from counting.regimens import Regimen, Schedule

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))
NO_INDEX = (ValueError, TypeError, IndexError, OverflowError)
"""What NumPy says to an index that is none."""

fuzzed = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))

numbers = st.one_of(
    st.integers(-3, 60), st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**30]), st.floats(), st.booleans(),
    st.sampled_from([np.int8(3), np.float32(1.5), np.uint64(2**63), np.bool_(True)]),
)  # fmt: skip
arrays = st.builds(
    lambda shape, dtype: np.zeros(shape, dtype),
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
    st.sampled_from(["int8", "int64", "uint8", "float32", "float64", "bool", "complex64", "U2", "O"]),
)
leaves = numbers | st.none() | st.text("()a é", max_size=6) | st.binary(max_size=4) | arrays
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)

words = st.sampled_from(
    [Words.from_strings(s) for s in ([], ["()"], ["()()", "(())", "((()()))"], ["(" * 40 + ")" * 40])]
)
odd_numbers = st.sampled_from([0.0, -0.0, 1e-45, -1e-38, 1.0, -1.0, 3e38, -3e38, np.inf, -np.inf, np.nan, 0.5, -20.0])


@st.composite
def networks(draw: st.DrawFn, runs: st.SearchStrategy[int] = st.integers(0, 3)) -> Networks:  # noqa: B008
    """Networks of any cell and number of runs, with any numbers."""
    cell, n = draw(st.sampled_from(cells.CELLS)), draw(runs)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    ordinary = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    parameters = {}
    for name, shape in cells.shapes(cell).items():
        array = rng.uniform(-2, 2, (n, *shape))
        if not ordinary and array.size:
            array.reshape(-1)[rng.integers(array.size)] = draw(odd_numbers)
        parameters[name] = array.astype(dtype)
    return Networks(cell, parameters)


def only(
    errors: tuple[type[Exception], ...] | type[Exception],
    call: Callable[..., object],
    *args: object,
    **named: object,
) -> object:
    """What the call returns, or None where it raised one of these."""
    try:
        return call(*args, **named)
    except errors as error:
        assert str(error), "an error that does not say what was wrong"


class TestWords:
    @fuzzed
    @given(anything | st.lists(st.text("()", max_size=8)))
    def test_from_strings(self, strings):
        if not isinstance(strings, Iterable):
            strings = [strings]
        made = only((ValueError, TypeError), Words.from_strings, strings)
        assert made is None or made.strings() == ([strings] if isinstance(strings, str) else list(strings))

    @fuzzed
    @given(anything, anything)
    def test_arrays(self, tokens, lengths):
        only((ValueError, TypeError), Words, tokens, lengths)

    @fuzzed
    @given(words, anything)
    def test_indexing(self, chosen, which):
        only(NO_INDEX, chosen.__getitem__, which)

    @fuzzed
    @given(
        st.sampled_from([dyck.uniform, dyck.with_returns, dyck.pcfg, dyck.count, dyck.zigzag]),
        st.lists(leaves, max_size=4),
    )
    def test_samplers(self, sampler, arguments):
        arguments = [a if not isinstance(a, int) or a < 100 else 100 for a in arguments]
        only((ValueError, TypeError), sampler, *arguments)

    @fuzzed
    @given(words, anything, anything)
    def test_nested(self, chosen, n, seed):
        only(ValueError, dyck.nested, chosen, n, seed)

    @fuzzed
    @given(anything)
    def test_seeds(self, seed):
        only(ValueError, dyck.pcfg, 2, (2, 4), seed)

    @fuzzed
    @given(st.dictionaries(st.text(max_size=3), words, max_size=3))
    def test_describe(self, splits):
        only(ValueError, dyck.describe, splits)


class TestNetworks:
    @fuzzed
    @given(st.sampled_from([*cells.CELLS, "rnn", "", None, 3, ()]), st.lists(numbers, max_size=4) | anything)
    def test_initialize(self, cell, seeds):
        only((ValueError, TypeError), cells.initialize, cell, seeds)

    @fuzzed
    @given(st.sampled_from([*cells.CELLS, "rnn", None, [], {}]), anything)
    def test_exact(self, cell, step):
        only((ValueError, TypeError), cells.exact, cell, step)

    @fuzzed
    @given(st.sampled_from(cells.CELLS), st.data())
    def test_parameters(self, cell, data):
        parameters = cells.initialize(cell, [0]).parameters
        changes = st.dictionaries(st.sampled_from([*parameters, "x"]), anything, max_size=2)
        only((ValueError, TypeError), Networks, cell, parameters | data.draw(changes))
        only((ValueError, TypeError), Networks, cell, data.draw(anything.filter(lambda x: isinstance(x, dict))))

    @fuzzed
    @given(networks(), anything)
    def test_indexing(self, nets, runs):
        only(NO_INDEX, nets.__getitem__, runs)

    @fuzzed
    @given(st.lists(st.sampled_from([
           torch.nn.LSTM(2, 1), torch.nn.Linear(1, 2), torch.nn.GRU(3, 2), torch.nn.Identity(),
           torch.nn.Sequential(torch.nn.GRUCell(2, 1), torch.nn.Linear(1, 2)),
           torch.nn.Sequential(torch.nn.RNN(2, 1), torch.nn.Linear(1, 2)),
           torch.nn.Sequential(torch.nn.LSTM(2, 1).half(), torch.nn.Linear(1, 2).half()),
           torch.nn.Sequential(torch.nn.LSTM(2, 1).bfloat16(), torch.nn.Linear(1, 2).bfloat16()),
           torch.nn.Sequential(torch.nn.LSTM(2, 1, device="meta"), torch.nn.Linear(1, 2)),
           torch.nn.Sequential(torch.nn.LSTM(2, 1), torch.nn.Linear(1, 1))]), max_size=3))  # fmt: skip
    def test_modules(self, modules):
        only(ValueError, Networks.from_torch, modules)


class TestRegimens:
    fields = st.sampled_from(list(Regimen.__dataclass_fields__))
    schedules = st.builds(lambda *a: only((ValueError, TypeError), Schedule, *a), numbers, numbers, numbers, numbers)

    @fuzzed
    @given(st.sampled_from(cells.CELLS), st.dictionaries(fields, anything | schedules, max_size=3))
    def test_fields(self, cell, changes):
        regimen = only((ValueError, TypeError), regimens.PAPER[cell].but, **changes)
        assert regimen is None or Regimen.from_dict(regimen.to_dict()) == regimen

    @fuzzed
    @given(st.sampled_from(cells.CELLS), st.dictionaries(fields | st.text(max_size=3), anything, max_size=3))
    def test_from_dict(self, cell, entries):
        only(ValueError, Regimen.from_dict, entries)
        only(ValueError, Regimen.from_dict, regimens.PAPER[cell].to_dict() | entries)

    @fuzzed
    @given(anything, anything, anything, anything)
    def test_schedules(self, start, end, first, last):
        only((ValueError, TypeError), Schedule, start, end, first, last)


class TestTraining:
    @settings(fuzzed, max_examples=max(8, EXAMPLES // 4))
    @given(
        st.sampled_from(cells.CELLS), words, words, st.lists(numbers, max_size=3),
        st.none() | st.lists(numbers, max_size=3), st.sampled_from([1e-30, 0.01, 1e30]), st.none() | networks(),
    )  # fmt: skip
    def test_train(self, cell, learn, validate, seeds, checkpoints, rate, start):
        regimen = Regimen(cell, rate, 2)
        options = {"checkpoints": checkpoints, "start": start, "progress": False, "threads": 1}
        runs = only((ValueError, TypeError), training.train, regimen, learn, validate, seeds, **options)
        assert runs is None or len(runs) == len(seeds)


class TestUses:
    """Of networks, whatever their numbers."""

    @fuzzed
    @given(networks(), words)
    def test_evaluation(self, nets, chosen):
        for function in (evaluation.first_failure, evaluation.accuracy, evaluation.return_recall,
                         evaluation.accuracy_by_length, evaluation.trace):  # fmt: skip
            only(ValueError, function, nets, chosen)
        evaluation.returns(chosen)
        only(ValueError, evaluation.constant_first_failure, chosen)

    @settings(fuzzed, max_examples=max(6, EXAMPLES // 4))
    @given(networks(), st.sampled_from([None, 2, 3, 10, 24]) | anything)
    def test_certificates(self, nets, max_length):
        # The largest tables take seconds; short words go the same ways.
        if isinstance(max_length, (int, np.integer)) and max_length > 30:
            max_length = 30
        only((ValueError, TypeError), certificate.certify, nets, max_length or 12)
        only((ValueError, TypeError), certificate.certify_all, nets, max_length or 12)
        only((ValueError, TypeError), certificate.proved, nets, max_length)
        only(ValueError, certificate.exact_counters, nets)

    @fuzzed
    @given(networks(), words)
    def test_anatomy(self, nets, chosen):
        for function in (anatomy.state, anatomy.predict_first_failure):
            only(ValueError, function, nets, chosen)
        only(ValueError, anatomy.ladder, nets, 3)

    @fuzzed
    @given(networks(), words, anything)
    def test_rounding(self, nets, chosen, number):
        only((ValueError, TypeError), rounding.rounded, nets, chosen, number)
        only((ValueError, TypeError), rounding.gained, nets, number)


class TestStatistics:
    @fuzzed
    @given(anything, anything, anything)
    def test_all(self, x, y, n):
        only((ValueError, TypeError), statistics.wilson, x, y)
        only((ValueError, TypeError), statistics.mean_interval, x)
        only((ValueError, TypeError), statistics.regress, x, y)
        only((ValueError, TypeError), statistics.correlations_of_draws, x, y, n)


class TestFiles:
    @settings(fuzzed, max_examples=10 * EXAMPLES)
    @given(st.integers(0, 2**32))
    def test_damaged_models(self, tmp_path_factory, seed):
        path = tmp_path_factory.getbasetemp() / "model"
        path.write_bytes(damaged(np.random.default_rng(seed), whole_files()))
        nets = only(BadModel, modelfile.load, path)
        assert nets is None or len(nets) == 1

    @fuzzed
    @given(st.binary(max_size=200))
    def test_any_bytes(self, tmp_path_factory, content):
        path = tmp_path_factory.getbasetemp() / "bytes.json"
        path.write_bytes(content)
        only(BadModel, modelfile.load, path)
        only(results.BrokenResult, results.load, path)
        only(ValueError, measurements.load, "bytes", path.parent)

    @fuzzed
    @given(anything)
    def test_any_state_dict(self, content):
        only(BadModel, modelfile.from_tensors, content if isinstance(content, dict) else {"a": content})

    @fuzzed
    @given(
        st.lists(st.text(max_size=8) | st.sampled_from(["certify", "--max-length", "--json", "any", "4"]), max_size=5)
    )
    def test_command_line(self, arguments):
        try:
            assert main(arguments) in (0, 1, 2, 3)
        except SystemExit as end:
            assert end.code in (0, 2)


class TestBombs:
    """Small files that would take all memory, or for ever."""

    @pytest.mark.parametrize("zipped", [True, False])
    def test_a_call_that_fills_memory(self, zipped, tmp_path):
        (tmp_path / "model").write_bytes(torch_file({"a": Call(bytearray, 10**8)}, zipped))
        with pytest.raises(BadModel, match="recurrent layer"):
            modelfile.load(tmp_path / "model")

    def test_compressed_archives(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "model", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(10**7))
        with pytest.raises(BadModel, match="compressed"):
            modelfile.load(tmp_path / "model")

    def test_dicts_inside_themselves_and_ever_deeper(self):
        loop: dict[str, object] = {}
        loop["a"] = loop
        double: dict[str, object] = {}
        for _ in range(30):
            double = {"a": double, "b": double}
        deep: dict[str, object] = {}
        for _ in range(5_000):
            deep = {"a": deep}
        for content, reason in ((loop, "no tensors"), (double, "no tensors"), (deep, "nested")):
            with pytest.raises(BadModel, match=reason):
                modelfile.from_tensors(content)

    @pytest.mark.parametrize("copier", ["OrderedDict", "BUILD"])
    def test_one_dict_copied_again_and_again(self, copier, tmp_path):
        """Three bytes a copy; with more entries and more copies a megabyte asks for 100 GB."""
        entries = [b"M" + n.to_bytes(2, "little") + b"N" for n in range(3000)]
        if copier == "OrderedDict":
            start = b"(" + b"".join(entry + b"\x86" for entry in entries) + b"t\x85q\0ccollections\nOrderedDict\nq\1"
            copies = b"h\1h\0R" * 1000
        else:
            start, copies = b"}(" + b"".join(entries) + b"uq\0", b"\x8fh\0b" * 1000
        content = b"\x80\4" + start + b"(" + copies + b"t."
        with zipfile.ZipFile(tmp_path / "model", "w") as archive:
            archive.writestr("model/data.pkl", content)
        with pytest.raises(BadModel, match="copies more"):
            modelfile.load(tmp_path / "model")

    def test_containers_and_names_without_end(self):
        """Few wait at a time, but each is looked at, and a pattern takes the square of its name's length."""
        chain: list[object] = []
        for _ in range(4):
            chain = [{"a": None} for _ in range(3000)] + [chain]
        tensor = pickled.Tensor((2, 1), "float32", lambda: np.zeros((2, 1)))
        for content in (chain, {"x" * 201: tensor}, {"x" * 150: {"y" * 50: tensor}}, [tensor] * 10_001):
            with pytest.raises(BadModel, match="too many tensors or too long names"):
                modelfile.from_tensors(content)
