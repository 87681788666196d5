"""The oracle itself: the published loop spelled out, modules of other makes, and what is no counter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from counting import cells, reference
from counting.cells import Networks
from counting.dyck import Words


@pytest.fixture
def words() -> Words:
    return Words.from_strings(["()", "(())", "()(()())", "((()))()"])


class TestLoop:
    def test_it_is_the_published_one(self, cell, words):
        """Batch size 1, mean squared error over all steps and both outputs, Adam: written out once more."""
        order = [2, 0, 3, 1]
        module, other = (cells.initialize(cell, [4]).to_torch(0) for _ in range(2))
        loss = reference.train_epoch(module, torch.optim.Adam(module.parameters(), lr=0.02), words, order)
        optimizer, losses = torch.optim.Adam(other.parameters(), lr=0.02), []
        for word in (words.strings()[i] for i in order):
            symbols = torch.tensor([[1.0, 0.0] if symbol == "(" else [0.0, 1.0] for symbol in word])
            depths = np.cumsum([1 if symbol == "(" else -1 for symbol in word])
            target = torch.tensor([[1.0, float(depth > 0)] for depth in depths])
            optimizer.zero_grad()
            error = ((torch.sigmoid(other(symbols)) - target) ** 2).mean()
            error.backward()
            optimizer.step()
            losses.append(error.item())
        assert loss == pytest.approx(np.mean(losses), rel=1e-6)
        ours, theirs = Networks.from_torch([module]), Networks.from_torch([other])
        for name, array in ours.parameters.items():
            assert np.allclose(array, theirs.parameters[name], rtol=1e-5, atol=1e-7)

    def test_adams_defaults(self, cell):
        module = cells.initialize(cell, [0]).to_torch(0)
        (group,) = torch.optim.Adam(module.parameters()).param_groups
        assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 0)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("loss", ["mse", "bce"])
    def test_word_loss(self, cell, dtype, loss, words):
        module = cells.initialize(cell, [4]).astype(dtype).to_torch(0)
        for n in range(len(words)):
            own = reference.word_loss(module, words[n], loss).item()
            optimizer = torch.optim.SGD(module.parameters(), lr=0)
            assert reference.train_epoch(module, optimizer, words, [n], loss) == pytest.approx(own)

    def test_cross_entropy_is_minus_the_log_of_what_the_target_is_given(self, cell, words):
        module = cells.initialize(cell, [4]).to_torch(0)
        yes = torch.sigmoid(module(reference.one_hot(words[3])))
        given = torch.where(torch.tensor(words.targets[3] == 1), yes, 1 - yes)
        assert reference.word_loss(module, words[3], "bce").item() == pytest.approx(-given.log().mean().item(), 1e-5)

    def test_one_hot(self, words):
        assert reference.one_hot(words[1]).tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]


class TestFirstFailure:
    @pytest.mark.parametrize(
        ("logits", "expected"),
        [
            ((1, 1), [1, 3, 1, 5]),
            ((1, -1), [0, 0, 0, 0]),
            ((-1, 1), [0, 0, 0, 0]),
            ((1, np.nan), [0, 0, 0, 0]),
        ],
    )
    def test_constant_answers(self, cell, logits, expected, words):
        module = cells.initialize(cell, [0]).to_torch(0)
        with torch.no_grad():
            module.output.weight.zero_()
            module.output.bias.copy_(torch.tensor(logits, dtype=torch.float32))
        assert reference.first_failure(module, words).tolist() == expected

    def test_a_word_that_is_right_counts_its_length(self, words):
        assert (
            reference.first_failure(cells.exact("relu").to_torch(0), words).tolist() == words.lengths.tolist()
        )


class Foreign(nn.Module):
    """A user's own module: other names, time first, something without numbers on top."""

    def __init__(self, outputs: int = 2, **options: object) -> None:
        super().__init__()
        self.cell = nn.LSTM(2, 1, **options)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(1, outputs))


class TestModulesOfOtherMakes:
    def test_other_names(self):
        module = Foreign()
        nets = Networks.from_torch([module])
        assert nets.cell == "lstm"
        assert np.array_equal(nets.parameters["weight_hh_l0"][0], module.cell.weight_hh_l0.detach().numpy())
        assert np.array_equal(nets.parameters["output.bias"][0], module.head[1].bias.detach().numpy())

    def test_one_output_says_whether_a_word_may_close(self):
        module = Foreign(outputs=1)
        parameters = Networks.from_torch([module]).parameters
        assert parameters["output.weight"][0].tolist() == [[0], module.head[1].weight[0].tolist()]
        assert parameters["output.bias"][0].tolist() == [1, module.head[1].bias.item()]

    @pytest.mark.parametrize(
        ("module", "reason"),
        [
            (nn.Linear(1, 2), "one recurrent layer"),
            (nn.LSTM(2, 1), "read-out"),
            (nn.ModuleList([nn.LSTM(2, 1), nn.GRU(2, 1), nn.Linear(1, 2)]), "one recurrent layer"),
            (nn.ModuleList([nn.LSTM(2, 1), nn.Linear(1, 1), nn.Linear(1, 2)]), "one read-out"),
            (nn.ModuleList([nn.RNN(2, 1), nn.Linear(1, 2)]), "tanh"),
            (nn.ModuleList([nn.GRU(3, 1), nn.Linear(1, 2)]), "one-hot"),
            (nn.ModuleList([nn.GRU(2, 2), nn.Linear(2, 2)]), "hidden size must be 1"),
            (nn.ModuleList([nn.GRU(2, 1, num_layers=2), nn.Linear(1, 2)]), "one recurrent layer"),
            (nn.ModuleList([nn.GRU(2, 1, bidirectional=True), nn.Linear(2, 2)]), "one direction"),
            (nn.ModuleList([nn.LSTM(2, 2, proj_size=1), nn.Linear(1, 2)]), "read-out|weight_hh|projection"),
            (nn.ModuleList([nn.GRU(2, 1), nn.Linear(1, 3)]), "3 outputs"),
            (nn.ModuleList([nn.GRU(2, 1), nn.Tanh(), nn.Linear(1, 2)]), "of Tanh"),
            (nn.ModuleList([nn.Embedding(2, 2), nn.GRU(2, 1), nn.Linear(1, 2)]), "0.weight"),
            (nn.ModuleList([nn.GRU(2, 1), nn.LayerNorm(1), nn.Linear(1, 2)]), "of LayerNorm"),
        ],
    )
    def test_other_networks_are_refused(self, module, reason):
        with pytest.raises(ValueError, match=reason):
            Networks.from_torch([module])
