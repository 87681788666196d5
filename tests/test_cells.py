"""Networks: PyTorch's numbers, names and order; stacks; counters made by hand; bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from counting import cells, dyck, evaluation, reference
from counting.cells import CELLS, Networks
from counting.dyck import Words


def torch_parameters(cell: str, seed: int) -> dict[str, np.ndarray]:
    """What a PyTorch user gets: the layer, then the read-out, after one manual seed."""
    torch.manual_seed(seed)
    layer = (
        nn.RNN(2, 1, nonlinearity="relu") if cell == "relu" else {"lstm": nn.LSTM, "gru": nn.GRU}[cell](2, 1)
    )
    readout = nn.Linear(1, 2)
    named = {**dict(layer.named_parameters()), **{f"output.{k}": p for k, p in readout.named_parameters()}}
    return {name: parameter.detach().numpy() for name, parameter in named.items()}


class TestInitialization:
    @pytest.mark.parametrize("seed", [0, 1, 42, 2**40])
    def test_the_numbers_of_manual_seed(self, cell, seed):
        drawn, expected = cells.initialize(cell, [seed]).parameters, torch_parameters(cell, seed)
        assert list(drawn) == list(expected) == list(cells.shapes(cell))
        for name, array in expected.items():
            assert drawn[name].dtype == np.float32
            assert np.array_equal(drawn[name][0], array)

    def test_one_run_a_seed(self, cell):
        nets = cells.initialize(cell, range(5, 9))
        assert len(nets) == 4
        assert nets[2] == cells.initialize(cell, [7])
        assert nets[2] != cells.initialize(cell, [8])

    def test_the_global_generator_is_left_alone(self, cell):
        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        cells.initialize(cell, range(3))
        assert torch.equal(torch.rand(4), expected)

    def test_uniform_between_minus_1_and_1(self, cell):
        numbers = np.concatenate([a.ravel() for a in cells.initialize(cell, range(500)).parameters.values()])
        assert -1 <= numbers.min() < -0.99 < 0.99 < numbers.max() <= 1
        assert abs(numbers.mean()) < 0.05

    @pytest.mark.parametrize("seeds", [[], [-1], [0.5], ["0"], [None], [2**63]])
    def test_bad_seeds(self, cell, seeds):
        with pytest.raises(
            ValueError, match=r"seeds must be one or more integers from 0 below 2\^63, such as range"
        ):
            cells.initialize(cell, seeds)

    def test_equal_seeds(self, cell):
        with pytest.raises(ValueError, match="seeds must differ: two runs of one seed are one run"):
            cells.initialize(cell, [1, 1])

    def test_numpy_seeds(self, cell):
        assert cells.initialize(cell, np.arange(3)) == cells.initialize(cell, range(3))


class TestTorch:
    def test_there_and_back(self, cell):
        nets = cells.initialize(cell, range(4))
        assert Networks.from_torch(nets.to_torch(run) for run in range(4)) == nets
        wide = nets.astype("float64")
        assert Networks.from_torch([wide.to_torch(3)]) == wide[3]

    @pytest.mark.parametrize("sizes", [(2, 4, 4), (6, 12, 12), (3, 4, 5)])
    def test_several_units_as_pytorch_draws_them(self, cell, sizes):
        nets = cells.initialize(cell, [7], *sizes)
        torch.manual_seed(7)
        module = reference.Counter(cell, *sizes)
        assert Networks.from_torch([module]) == nets == Networks.from_torch([nets.to_torch(0)])
        assert nets.sizes == sizes

    def test_modules(self, cell):
        module = cells.initialize(cell, range(3)).to_torch(-1)
        assert isinstance(module, nn.Module)
        assert type(module.rnn) is {"lstm": nn.LSTM, "gru": nn.GRU, "relu": nn.RNN}[cell]
        assert isinstance(module.output, nn.Linear)
        assert module(torch.zeros(7, 2)).shape == (7, 2)
        assert module(torch.zeros(5, 7, 2)).shape == (5, 7, 2)

    @pytest.mark.parametrize("options", [{"dtype": torch.bfloat16}, {"dtype": torch.float16}, {"device": "meta"}])
    def test_modules_without_numbers_that_fit_are_refused(self, options):
        module = nn.Sequential(nn.LSTM(2, 1, **options), nn.Linear(1, 2, **options))
        with pytest.raises(ValueError, match=r"b?float16: save module.float|meta \(without numbers\)"):
            Networks.from_torch([module])

    def test_a_module_has_numbers_of_its_own(self, cell):
        nets = cells.initialize(cell, [0])
        module = nets.to_torch(0)
        with torch.no_grad():
            module.output.bias += 1
        assert nets == cells.initialize(cell, [0])
        back = Networks.from_torch([module])
        with torch.no_grad():
            module.output.bias += 1
        assert np.array_equal(back.parameters["output.bias"], nets.parameters["output.bias"] + 1)

    def test_no_such_run(self, cell):
        with pytest.raises(IndexError):
            cells.initialize(cell, [0]).to_torch(1)

    def test_modules_of_two_cells_are_no_stack(self):
        modules = [cells.initialize(cell, [0]).to_torch(0) for cell in ("lstm", "gru")]
        with pytest.raises(ValueError, match="networks of one cell, dtype and size are needed"):
            Networks.from_torch(modules)

    def test_no_modules_are_no_stack(self):
        with pytest.raises(ValueError, match="none at all"):
            Networks.from_torch([])


class TestStack:
    def test_indexing_always_gives_a_stack(self, cell):
        nets = cells.initialize(cell, range(10))
        for index, seeds in (
            (7, [7]),
            (-1, [9]),
            (np.int64(2), [2]),
            (slice(2, 5), [2, 3, 4]),
            (slice(None, None, -4), [9, 5, 1]),
            ([3, 0, 3], [3, 0, 3]),
            (np.arange(10) > 7, [8, 9]),
            (np.zeros(10, bool), []),
        ):
            chosen = nets[index]
            assert isinstance(chosen, Networks)
            assert len(chosen) == len(seeds)
            for run, seed in enumerate(seeds):
                assert chosen[run] == cells.initialize(cell, [seed])
        for index in (10, -11):
            with pytest.raises(IndexError):
                nets[index]

    def test_iteration_ends(self, cell):
        assert [len(net) for net in cells.initialize(cell, range(3))] == [1, 1, 1]

    def test_concatenation(self, cell):
        nets = cells.initialize(cell, range(10))
        assert Networks.concatenate([nets[:4], nets[4:5], nets[5:]]) == nets

    def test_what_cannot_be_concatenated(self):
        lstm = cells.initialize("lstm", [0])
        others = cells.initialize("gru", [0]), lstm.astype("float64"), cells.initialize("lstm", [0], 2)
        for parts in ([], *([lstm, other] for other in others)):
            with pytest.raises(ValueError, match="networks of one cell, dtype and size are needed, got"):
                Networks.concatenate(parts)

    def test_equality(self, cell):
        nets = cells.initialize(cell, range(2))
        assert nets == cells.initialize(cell, range(2))
        assert nets != nets[:1]
        assert nets != nets.astype("float64")
        assert nets != "networks"
        assert cells.initialize("lstm", [0]) != cells.initialize("gru", [0])

    def test_dtypes(self, cell):
        nets = cells.initialize(cell, range(2))
        assert nets.dtype == np.float32
        assert nets.astype("float64").dtype == np.float64
        assert nets.astype("float64").astype("float32") == nets
        assert repr(nets) == f"Networks('{cell}', 2 runs, float32)"

    def test_values_that_training_may_leave(self, cell):
        nets = cells.initialize(cell, range(4))
        for run, (name, value) in enumerate(
            [("weight_hh_l0", np.nan), ("output.bias", np.inf), ("bias_ih_l0", -np.inf)]
        ):
            nets.parameters[name][run, 0] = value
        assert nets.finite.tolist() == [False, False, False, True]
        assert nets == nets[:]
        assert nets[[]].finite.tolist() == []


def test_a_stack_keeps_copies():
    given = {name: array.copy() for name, array in cells.initialize("gru", [1]).parameters.items()}
    nets = Networks("gru", given)
    given["output.bias"][:] = 7
    assert (nets.parameters["output.bias"] != 7).all()


class TestBadParameters:
    @pytest.fixture
    def parameters(self, cell) -> dict[str, np.ndarray]:
        return dict(cells.initialize(cell, range(3)).parameters)

    def test_missing_and_unknown_names(self, cell, parameters):
        weight = parameters.pop("weight_hh_l0")
        with pytest.raises(ValueError, match=f"a {cell} has the parameters .*weight_hh_l0.*, not "):
            Networks(cell, parameters)
        with pytest.raises(ValueError, match=r"not .*weight_hh_l1"):
            Networks(cell, {**parameters, "weight_hh_l1": weight})

    @pytest.mark.parametrize("name", cells.shapes("lstm"))
    def test_shapes(self, cell, parameters, name):
        right = parameters[name]
        for wrong in (right[:2], right[:, :-1], right[..., None], right[0], right.reshape(-1)):
            with pytest.raises(
                ValueError, match=rf"of a {cell} has shape \(runs, .*, the same runs for every"
            ):
                Networks(cell, {**parameters, name: wrong})

    def test_sizes_beyond_the_engine(self, cell):
        for sizes, message in (((7, 2, 2), "units must be from 1 to 6; got 7"), ((2, 13, 2), "symbols must be .* 13")):
            units, symbols, outputs = sizes
            rows = cells.gates(cell) * units
            shapes = (rows, symbols), (rows, units), (rows,), (rows,), (outputs, units), (outputs,)
            with pytest.raises(ValueError, match=message):
                Networks(cell, {n: np.zeros((1, *s)) for n, s in zip(cells.shapes(cell), shapes, strict=True)})
            with pytest.raises(ValueError, match=message):
                cells.initialize(cell, [0], *sizes)

    def test_dtypes(self, cell, parameters):
        for dtype in ("float16", "int64", "complex64", "O"):
            with pytest.raises(ValueError, match="must all be float32 or all float64, not "):
                Networks(cell, {name: array.astype(dtype) for name, array in parameters.items()})
        mixed = {**parameters, "output.bias": parameters["output.bias"].astype("float64")}
        with pytest.raises(ValueError, match="not float32, float64"):
            Networks(cell, mixed)

    def test_another_cells_parameters(self):
        with pytest.raises(ValueError, match="of a gru has shape"):
            Networks("gru", cells.initialize("lstm", [0]).parameters)

    @pytest.mark.parametrize("name", ["LSTM", "rnn", "", None, 3, ["lstm"]])
    def test_unknown_cells(self, name):
        for call in (
            lambda: cells.initialize(name, [0]),
            lambda: cells.exact(name),
            lambda: cells.gates(name),
            lambda: Networks(name, {}),
        ):
            with pytest.raises(
                cells.UnknownCell, match="unknown cell .*: the cells are 'lstm', 'gru', 'relu'"
            ):
                call()
        assert issubclass(cells.UnknownCell, ValueError)


DEPTH = 5_000


@pytest.fixture(scope="module")
def deep_words() -> Words:
    """Words thousands deep: to 0 and up again; with single steps down on the way up; and by chance."""
    top = "(" * DEPTH + ")" * DEPTH
    jagged = "(()" * DEPTH + ")" * DEPTH
    return Words.from_strings([top + top, jagged, "()" * DEPTH, *dyck.uniform(5, 10_000, seed=1).strings()])


class TestExactCounters:
    @pytest.mark.parametrize(
        ("counter", "dtype"), [("relu", "float32"), ("relu", "float64"), ("lstm", "float32")]
    )
    def test_thousands_deep(self, counter, dtype, deep_words):
        nets = cells.exact(counter).astype(dtype)
        assert deep_words.depth.max() > DEPTH
        assert np.array_equal(evaluation.first_failure(nets, deep_words)[0], deep_words.lengths)

    @pytest.mark.parametrize("counter", ["relu", "lstm"])
    def test_in_pytorch(self, counter):
        word = dyck.zigzag(length=1200, peak=300)
        symbols = torch.eye(2)[torch.from_numpy(word.tokens[0].astype(np.int64))]
        with torch.no_grad():
            yes = (torch.sigmoid(cells.exact(counter).to_torch(0)(symbols)) >= 0.5).numpy()
        assert np.array_equal(yes, word.targets[0] == 1)

    @pytest.mark.parametrize("step", [0.25, 3.0, 1024.0, 1e-30, 1e30])
    def test_a_relu_of_another_step(self, step):
        word = dyck.zigzag(length=400, peak=100)
        assert evaluation.accuracy(cells.exact("relu", step), word).tolist() == [1]

    def test_its_numbers(self):
        relu, lstm = cells.exact("relu").parameters, cells.exact("lstm").parameters
        assert relu["weight_ih_l0"].tolist() == [[[1, -1]]]
        assert relu["weight_hh_l0"].tolist() == [[[1]]]
        assert not lstm["weight_hh_l0"].any()
        assert lstm["bias_ih_l0"].tolist() == [[20, 20, 0, 20]]

    @pytest.mark.parametrize("step", [0, -1.0, 1e-31, 1e31, float("nan"), float("inf")])
    def test_steps_that_float32_does_not_hold(self, step):
        with pytest.raises(ValueError, match="step must be from 1e-30 to 1e30, .*; got "):
            cells.exact("relu", step)

    @pytest.mark.parametrize("cell", ["lstm", "gru"])
    def test_gated_cells_count_in_steps_of_their_own(self, cell):
        with pytest.raises(ValueError, match=f"the exact {cell.upper()} counts in steps of its own; .* not 2.0"):
            cells.exact(cell, 2.0)


def test_the_cells():
    assert CELLS == ("lstm", "gru", "relu")
    assert [cells.gates(cell) for cell in CELLS] == [4, 3, 1]
    numbers = {
        cell: sum(a[0].size for a in cells.initialize(cell, [0]).parameters.values()) for cell in CELLS
    }
    assert numbers == {"lstm": 24, "gru": 19, "relu": 9}
