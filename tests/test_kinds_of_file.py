"""Files as people save them: each is read as its module decides, on 1,000 words, or refused in words that help."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from counting import modelfile
from counting.modelfile import BadModel, Options


class Net(nn.Module):
    """A user's network: a layer, a read-out, and what else they may have put in (`extra`, registered, unused here)."""

    def __init__(self, layer: nn.Module, readout: nn.Module | None = None, **extra: nn.Module | torch.Tensor) -> None:
        super().__init__()
        self.rnn, self.fc = layer, nn.Linear(1, 2) if readout is None else readout
        for name, part in extra.items():
            setattr(self, name, nn.Parameter(part) if isinstance(part, torch.Tensor) else part)
        if not isinstance(layer, nn.RNN | nn.RNNCell):
            for parameter in self.parameters():
                parameter.data *= 3  # so that states differ from word to word

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        return self.fc(self.rnn(symbols)[0])


class Embedded(Net):
    """Reads each symbol's vector of a table, under the name `embedding`."""

    def __init__(self, layer: nn.Module, vectors: list[list[float]]) -> None:
        super().__init__(layer)
        self.embedding = nn.Embedding.from_pretrained(torch.tensor(vectors))

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        return super().forward(self.embedding(symbols.argmax(-1)))


class Begun(Net):
    """A ReLU that reads symbol 0 before each word, which leaves its state 0."""

    def __init__(self) -> None:
        super().__init__(nn.RNN(3, 1, batch_first=True, nonlinearity="relu"))
        self.rnn.weight_ih_l0.data[0, 0] = -20

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        begin = torch.eye(3, dtype=symbols.dtype)[:1].expand(len(symbols), 1, 3)
        return super().forward(torch.cat([begin, symbols], 1))[:, 1:]


class CellNet(Net):
    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        states, state = [], None
        for step in symbols.unbind(1):
            state = self.rnn(step, state)
            states.append(state[0] if isinstance(state, tuple) else state)
        return self.fc(torch.stack(states, 1))


def lstm(**options: object) -> nn.LSTM:
    return nn.LSTM(options.pop("width", 2), options.pop("units", 1), batch_first=True, **options)


def gru(**options: object) -> nn.GRU:
    return nn.GRU(options.pop("width", 2), 1, batch_first=True, **options)


def relu(**options: object) -> nn.RNN:
    return nn.RNN(2, 1, batch_first=True, nonlinearity="relu", **options)


def pruned() -> nn.Module:
    net = Net(lstm())
    prune.l1_unstructured(net.rnn, "weight_ih_l0", amount=3)
    prune.l1_unstructured(net.fc, "weight", amount=1)
    return net


def weight_normed() -> nn.Module:
    net = Net(gru())
    parametrizations.weight_norm(net.rnn, "weight_hh_l0")
    parametrizations.weight_norm(net.fc, "weight")
    return net


def old_weight_normed() -> nn.Module:
    net = Net(lstm())
    with warnings.catch_warnings(action="ignore"):
        nn.utils.weight_norm(net.fc, "weight")
    return net


def expanded() -> nn.Module:
    net = Net(relu())
    nn.init.zeros_(net.fc.bias)
    return net


def spectral() -> dict[str, torch.Tensor]:
    net = Net(lstm())
    parametrizations.spectral_norm(net.fc)
    return net.state_dict()


def quantized() -> dict[str, object]:
    with warnings.catch_warnings(action="ignore"):
        return torch.ao.quantization.quantize_dynamic(Net(lstm()), {nn.LSTM, nn.Linear}, torch.qint8).state_dict()


def weights(module: nn.Module | None = None, **more: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**(module or Net(lstm())).state_dict(), **more}


torch.manual_seed(0)

READ = {
    "lstm": (Net(lstm()), lambda s: s, {}),
    "gru": (Net(gru()), lambda s: s, {}),
    "relu": (Net(relu()), lambda s: s, {}),
    "relu, said": (Net(relu()), lambda s: s, {"nonlinearity": "relu"}),
    "relu, said in the checkpoint": (
        Net(relu()),
        lambda s: {"state_dict": s, "hyper_parameters": {"nonlinearity": "relu"}},
        {},
    ),
    "float64": (Net(lstm()).double(), lambda s: s, {}),
    "LSTMCell": (CellNet(nn.LSTMCell(2, 1)), lambda s: s, {}),
    "GRUCell": (CellNet(nn.GRUCell(2, 1)), lambda s: s, {}),
    "RNNCell": (CellNet(nn.RNNCell(2, 1, nonlinearity="relu")), lambda s: s, {}),
    "one output": (Net(lstm(), nn.Linear(1, 1)), lambda s: s, {}),
    "a layer without biases": (Net(lstm(bias=False)), lambda s: s, {}),
    "a ReLU without biases": (Net(relu(bias=False)), lambda s: s, {}),
    "a read-out without bias": (Net(gru(), nn.Linear(1, 2, bias=False)), lambda s: s, {}),
    "one output without bias": (Net(relu(), nn.Linear(1, 1, bias=False)), lambda s: s, {}),
    "without bias_hh": (
        Net(relu(bias=False), nn.Linear(1, 2)),
        lambda s: s | {"rnn.bias_ih_l0": torch.zeros(1)},
        {},
    ),
    "DataParallel": (Net(lstm()), lambda s: {f"module.{n}": t for n, t in s.items()}, {}),
    "torch.compile": (Net(gru()), lambda s: {f"_orig_mod.{n}": t for n, t in s.items()}, {}),
    "a checkpoint with an optimizer": (
        Net(lstm()),
        lambda s: {
            "epoch": 7,
            "model_state_dict": s,
            "optimizer_state_dict": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(4, 2)}}},
            "loss": torch.tensor(0.1),
        },
        {},
    ),
    "Lightning": (
        Net(gru()),
        lambda s: {
            "state_dict": {f"model.{n}": t for n, t in s.items()},
            "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3, 2)}}}],
            "callbacks": {"best": torch.tensor(1.0)},
            "hyper_parameters": {"lr": 0.1},
        },
        {},
    ),
    "with a NumPy number": (Net(lstm()), lambda s: {"model": s, "best": np.float64(0.25)}, {}),
    "with a path": (Net(lstm()), lambda s: {"model": s, "where": Path("runs/1")}, {}),
    "with a namespace": (Net(lstm()), lambda s: {"model": s, "args": __import__("argparse").Namespace(lr=1)}, {}),
    "a tuple": (Net(lstm()), lambda s: (s, 3), {}),
    "a list": (Net(gru()), lambda s: [7, s], {}),
    "an EMA copy, chosen": (
        Net(lstm()),
        lambda s: {"ema": {n: t + 1 for n, t in s.items()}, "model": s},
        {"prefix": "model."},
    ),
    "best and last, chosen": (
        Net(gru()),
        lambda s: {"best": s, "last": {n: t + 1 for n, t in s.items()}},
        {"prefix": "best."},
    ),
    "beside another network, chosen": (
        Net(lstm()),
        lambda s: {f"counter.{n}": t for n, t in s.items()} | {"critic.weight": torch.ones(3, 3)},
        {"prefix": "counter."},
    ),
    "parts apart": (
        Net(lstm()),
        lambda s: {
            "enc": {n[4:]: t for n, t in s.items() if n[0] == "r"},
            "dec": {n[3:]: t for n, t in s.items() if n[0] == "f"},
        },
        {},
    ),
    "the same dict twice": (Net(lstm()), lambda s: {"model": s, "again": s}, {}),
    "swapped symbols": (Net(lstm()), lambda s: s, {"symbols": ")("}),
    "swapped outputs": (Net(gru()), lambda s: s, {"outputs": ")("}),
    "an end symbol": (Net(lstm(width=3)), lambda s: s, {"symbols": "()$"}),
    "an end symbol first": (Net(gru(width=3)), lambda s: s, {"symbols": "$)("}),
    "a begin symbol that leaves the state zero": (Begun(), lambda s: s, {"symbols": "^()"}),
    "one output that says closed": (Net(lstm(), nn.Linear(1, 1)), lambda s: s, {"outputs": "$"}),
    "one that says closed, without bias": (Net(relu(), nn.Linear(1, 1, bias=False)), lambda s: s, {"outputs": "$"}),
    "two outputs, ( and closed": (Net(gru()), lambda s: s, {"outputs": "($"}),
    "two outputs, ) and closed": (Net(gru()), lambda s: s, {"outputs": ")$"}),
    "three outputs": (Net(lstm(), nn.Linear(1, 3)), lambda s: s, {"outputs": "()$"}),
    "three outputs, the end first": (Net(relu(), nn.Linear(1, 3)), lambda s: s, {"outputs": "$)("}),
    "two classes": (Net(lstm()), lambda s: s, {"outputs": ")$", "decide": "argmax"}),
    "two classes, closed first": (Net(gru()), lambda s: s, {"outputs": "$)", "decide": "argmax"}),
    "a threshold": (Net(lstm()), lambda s: s, {"threshold": 0.7}),
    "an embedding of one-hot vectors": (Embedded(lstm(), [[1.0, 0], [0, 1]]), lambda s: s, {}),
    "an embedding of 1 and -1": (Embedded(gru(width=1), [[1.0], [-1]]), lambda s: s, {}),
    "an embedding with padding": (Embedded(lstm(), [[0.0, 0], [0, 1], [0.5, 0]]), lambda s: s, {"symbols": "$)("}),
    "shuffle-2": (Net(lstm(width=4, units=2), nn.Linear(2, 4)), lambda s: s, {"language": "shuffle-2"}),
    "shuffle-2 in another order": (
        Net(lstm(width=4, units=2), nn.Linear(2, 4)),
        lambda s: s,
        {"language": "shuffle-2", "symbols": "([)]", "outputs": "])[("},
    ),
    "anbncn": (Net(lstm(width=3, units=2), nn.Linear(2, 4)), lambda s: s, {"language": "anbncn", "outputs": "$abc"}),
    "pruned": (pruned(), lambda s: s, {}),
    "weight-normalized": (weight_normed(), lambda s: s, {}),
    "weight-normalized, the former way": (old_weight_normed(), lambda s: s, {}),
    "a transposed view": (
        Net(lstm()),
        lambda s: s | {"rnn.weight_ih_l0": s["rnn.weight_ih_l0"].t().contiguous().t()},
        {},
    ),
    "HuggingFace names": (
        Net(lstm()),
        lambda s: {("model." if n[0] == "r" else "lm_head.") + n.partition(".")[2]: t for n, t in s.items()},
        {},
    ),
    "DataParallel of torch.compile": (Net(lstm()), lambda s: {f"module._orig_mod.{n}": t for n, t in s.items()}, {}),
    "a read-out in a Sequential": (Net(gru(), nn.Sequential(nn.Linear(1, 2))), lambda s: s, {}),
    "an expanded bias": (expanded(), lambda s: s | {"fc.bias": torch.zeros(1).expand(2)}, {}),
    "RNN_RELU in the arguments": (Net(relu()), lambda s: {"model": s, "args": {"rnn_type": "RNN_RELU"}}, {}),
    "parameters, not tensors": (Net(lstm()), lambda s: {n: nn.Parameter(t) for n, t in s.items()}, {}),
}

REFUSED = {
    "hidden size 2": (nn.Sequential(nn.LSTM(2, 2), nn.Linear(2, 2)), "hidden size must be 1"),
    "three symbols": (Net(lstm(width=3)), r"--symbols '\(\)\$'"),
    "four symbols": (Net(gru(width=4)), r"the symbols \(\) one-hot"),
    "three outputs": (Net(lstm(), nn.Linear(1, 3)), r"--outputs '\(\)\$'"),
    "two layers": (Net(gru(num_layers=2)), "one recurrent layer"),
    "both directions": (Net(gru(bidirectional=True)), "one direction"),
    "half": (Net(lstm()).half(), r"float16: save module.float\(\)"),
    "bfloat16": (Net(lstm()).bfloat16(), r"bfloat16: save module.float\(\)"),
    "no read-out": (nn.LSTM(2, 1), "read-out"),
    "no layer": (nn.Linear(1, 2), "recurrent layer"),
    "two recurrent layers": (nn.Sequential(lstm(), gru(), nn.Linear(1, 2)), "one recurrent layer"),
    "two read-outs": (nn.Sequential(lstm(), nn.Linear(1, 2), nn.Linear(1, 1)), "one read-out"),
    "an embedding": (Net(lstm(), embedding=nn.Embedding(2, 2)), "embedding.weight .2, 2., an embedding"),
    "an embedding of three": (Net(lstm(), emb=nn.Embedding(3, 2)), "an embedding"),
    "a linear layer before": (Net(lstm(), first=nn.Linear(2, 2)), "first.weight .* another layer's weight"),
    "a linear layer 3 to 2": (Net(lstm(), proj=nn.Linear(3, 2)), "proj.weight"),
    "LayerNorm": (Net(lstm(), ln=nn.LayerNorm(1)), "ln.weight .* a normalization"),
    "BatchNorm": (Net(lstm(), bn=nn.BatchNorm1d(1)), "bn.weight .* a normalization"),
    "BatchNorm without weights": (Net(lstm(), bn=nn.BatchNorm1d(1, affine=False)), "batch normalization"),
    "a learned start": (Net(lstm(), h0=torch.ones(1, 1, 1)), "h0 .* a learned initial state"),
    "a learned start in the layer": (
        lambda: {**Net(lstm()).state_dict(), "rnn.init_c": torch.ones(1, 1)},
        "rnn.init_c .* a learned initial",
    ),
    "a second linear layer": (Net(lstm(), out=nn.Linear(2, 2)), "out.weight .* another layer"),
    "a second linear layer 2 to 3": (Net(lstm(), out=nn.Linear(2, 3)), "out.weight"),
    "peepholes": (
        lambda: {**Net(lstm()).state_dict(), "rnn.weight_ci": torch.ones(1)},
        "rnn.weight_ci .* peephole",
    ),
    "attention": (Net(lstm(), attn=nn.Linear(3, 3)), "attn.weight"),
    "an output scale": (Net(lstm(), scale=torch.ones(())), "scale .* a scale"),
    "a scaler": (Net(lstm(), scaler=torch.ones(())), "scaler .* a scale"),
    "a loss in the state_dict": (Net(lstm(), loss_bias=torch.ones(())), "loss_bias"),
    "a projection": (
        lambda: {**Net(lstm()).state_dict(), "rnn.weight_hr_l0": torch.ones(1, 1)},
        "weight_hr_l0|a projection",
    ),
    "tanh in the checkpoint": (
        lambda: {"state_dict": Net(relu()).state_dict(), "hparams": {"nonlinearity": "tanh"}},
        "nonlinearity = tanh",
    ),
    "an EMA copy": (
        lambda: {"model": Net(lstm()).state_dict(), "ema": Net(lstm()).state_dict()},
        "--prefix",
    ),
    "mixed dtypes": (
        lambda: {**Net(lstm()).state_dict(), "fc.bias": torch.zeros(2).double()},
        "float32, float64",
    ),
    "int8": (lambda: {n: t.to(torch.int8) for n, t in Net(lstm()).state_dict().items()}, "int8"),
    "sparse": (
        lambda: {**Net(lstm()).state_dict(), "rnn.weight_ih_l0": torch.ones(4, 2).to_sparse()},
        "must have shape|unknown",
    ),
    "a whole module": (lambda: nn.Sequential(lstm(), nn.Linear(1, 2)), "not run"),
    "a number": (lambda: 3, "no tensors at all"),
    "proj_size": (lambda: Net(nn.LSTM(2, 2, proj_size=1)).state_dict(), "weight_hh has shape .8, 1."),
    "a stack of cells": (
        nn.ModuleDict({"cells": nn.ModuleList([nn.LSTMCell(2, 1), nn.LSTMCell(1, 1)]), "fc": nn.Linear(1, 2)}),
        "one recurrent layer",
    ),
    "a linear layer before and no read-out": (nn.ModuleDict({"pre": nn.Linear(1, 2), "rnn": lstm()}), "pre.weight"),
    "a linear layer before, of a scalar": (
        Net(lstm(), input_proj=nn.Linear(1, 2)),
        "input_proj.weight .* another layer's weight",
    ),
    "an embedding and no read-out": (nn.ModuleDict({"emb": nn.Embedding(2, 1), "rnn": lstm()}), "emb.weight"),
    "HuggingFace's embedding": (lambda: weights(**{"model.embed_tokens.weight": torch.rand(2, 2)}), "an embedding"),
    "an embedding that may be a linear layer": (lambda: weights(**{"embed.weight": torch.eye(2)[[0, 0]]}), "nn.Linear"),
    "a convolution": (nn.ModuleDict({"rnn": lstm(), "fc": nn.Conv1d(1, 2, 1)}), "one read-out"),
    "quantized": (quantized, "of an unknown kind"),
    "spectral normalization": (spectral, "one read-out"),
    "8 bits": (lambda: {n: t.to(torch.float8_e4m3fn) for n, t in weights().items()}, "unknown kind"),
    "complex": (lambda: {n: t.to(torch.complex64) for n, t in weights().items()}, "unknown kind"),
    "without numbers": (lambda: Net(lstm()).to("meta").state_dict(), "unknown kind"),
    "NumPy arrays": (lambda: {n: t.numpy() for n, t in weights().items()}, "a NumPy array"),
    "lists of numbers": (lambda: {n: t.tolist() for n, t in weights().items()}, "rnn.weight_ih_l0, which is no tensor"),
    "Keras's names": (lambda: {"lstm/kernel:0": torch.ones(2, 4)}, "lstm/kernel:0"),
    "an optimizer alone": (lambda: torch.optim.Adam(Net(lstm()).parameters()).state_dict(), "no tensors at all"),
    "one bias for both": (lambda: weights(Net(lstm(bias=False)), **{"rnn.bias": torch.ones(4)}), "rnn.bias"),
    "FLaRe's learned start": (lambda: weights(**{"rnn.initial_hidden_state": torch.ones(1)}), "initial state"),
    "an average of weights": (torch.optim.swa_utils.AveragedModel(Net(lstm())), "n_averaged"),
    "a temperature": (lambda: weights(temperature=torch.ones(())), "temperature"),
    "a tensor that is named like bookkeeping": (
        lambda: {"model": weights(), "random_start": torch.ones(1)},
        "random_start",
    ),
    "RNN_TANH in the arguments": (
        lambda: {"model": Net(relu()).state_dict(), "args": {"rnn_type": "RNN_TANH"}},
        "rnn_type = tanh",
    ),
    "RNN_TANH as a mode": (lambda: {"model": Net(relu()).state_dict(), "cfg": {"mode": "RNN_TANH"}}, "mode = tanh"),
    "a view that negates": (lambda: weights(**{"fc.bias": torch._neg_view(torch.ones(2))}), "unknown kind"),
    "another activation": (
        lambda: {"model": Net(relu()).state_dict(), "args": {"activation": "elu"}},
        "activation = elu",
    ),
    "weights that only sound like a checkpoint's steps": (
        lambda: {"model": weights(), "step_embedding": {"weight": torch.ones(2, 2)}},
        "step_embedding",
    ),
    "a state that a module keeps beside its tensors": (lambda: {**weights(), "fc._extra_state": 3.0}, "_extra_state"),
    "a bias that is a list": (lambda: {**weights(), "fc.bias": [0.5, 0.5]}, "fc.bias, which is no tensor"),
    "a bias that is a number": (lambda: {**weights(), "fc.bias": 0.5}, "fc.bias, which is no tensor"),
    "a bias that is a storage": (
        lambda: {**weights(), "fc.bias": torch.ones(2).untyped_storage()},
        "fc.bias, which is no tensor",
    ),
    "two networks under names that are no text": (
        lambda: {("a",): Net(lstm()).state_dict(), ("b",): Net(lstm()).state_dict()},
        "found 2",
    ),
    "tanh itself": (
        lambda: {"model": Net(relu()).state_dict(), "args": {"nonlinearity": torch.tanh}},
        "nonlinearity = tanh",
    ),
    "a class of activations": (
        lambda: {"model": Net(relu()).state_dict(), "args": {"activation": nn.Tanh}},
        "activation = tanh",
    ),
    "a weight, and what it is made of": (
        lambda: weights(**{"fc.weight_orig": torch.ones(2, 1), "fc.weight_mask": torch.zeros(2, 1)}),
        "what it is made of",
    ),
    "a long name with control characters": (
        lambda: {**Net(lstm()).state_dict(), "\x1b[31m" + "x" * 150: torch.ones(3)},
        "�.31mx{60,80}… ",
    ),
}


def one_hot(options: Options) -> torch.Tensor:
    """1,000 strings of 30 symbols, each in the column where the options have it."""
    alphabet = options.words.alphabet
    symbols = options.symbols or alphabet
    places = torch.tensor([symbols.index(symbol) for symbol in alphabet])
    strings = torch.randint(len(alphabet), (1000, 30), generator=torch.Generator().manual_seed(5))
    return nn.functional.one_hot(places[strings], len(symbols))


@torch.no_grad()
def logits(module: nn.Module, symbols: torch.Tensor) -> np.ndarray:
    return module(symbols.to(next(module.parameters()).dtype)).double().numpy()


for module, _, given in READ.values():
    if module.fc.state_dict().get("bias", torch.zeros(1)).any():
        read = logits(module, one_hot(Options(**given)))
        module.fc.bias.data -= torch.from_numpy(np.median(read, (0, 1)))  # so that decisions differ, too


@pytest.mark.parametrize("form", ["pt", "former.pt", "safetensors", "npz"])
@pytest.mark.parametrize("kind", READ)
def test_what_is_read_decides_as_its_module(kind, form, tmp_path):
    module, content, given = READ[kind]
    saved, path, options = content(module.state_dict()), tmp_path / f"model.{form}", Options(**given)
    if form.endswith("pt"):
        torch.save(saved, path, _use_new_zipfile_serialization=form == "pt")
    elif not isinstance(saved, dict) or not all(isinstance(t, torch.Tensor) for t in saved.values()):
        pytest.skip("no flat dict of tensors: this format holds no such thing")
    elif form == "npz":
        np.savez(path, **{name: tensor.detach().numpy() for name, tensor in saved.items()})
    else:
        save_file({name: tensor.detach().contiguous().clone() for name, tensor in saved.items()}, path)
    model = modelfile.read(path, options)
    allowed = options.words.outputs.replace("⊣", "$")
    theirs = logits(module, one_hot(options))
    names = options.outputs or (")" if theirs.shape[-1] == 1 else allowed)
    theirs = dict(zip(names, np.moveaxis(theirs, -1, 0), strict=True))
    yes = {name: one >= np.log(options.threshold / (1 - options.threshold)) for name, one in theirs.items()}
    if options.decide == "argmax":
        winner = np.argmax(list(theirs.values()), axis=0)
        yes = {name: winner == n for n, name in enumerate(names)}
    # Of Dyck-1 each network decides on ( and on ), the latter where the word may not end.
    closing = [yes[name] == (name != "$") for name in names if name != "("]
    expected = [np.stack([yes.get("(", closing[0] | True), one], -1) for one in closing]
    if not options.dyck:
        expected = [np.stack([yes[name] for name in allowed], -1)]
    elif options.decide == "argmax":
        assert np.array_equal(*closing)
        expected = expected[:1]
    assert len(model.network) == len(expected)
    alone = one_hot(Options(language=options.language))
    for run, decided in enumerate(expected):
        assert np.array_equal(logits(model.network.to_torch(run), alone) >= 0, decided)
    assert {"layer", "symbols", "outputs", "numbers"} <= set(model.taken)
    if saved.keys() == module.state_dict().keys() if isinstance(saved, dict) else False:
        assert modelfile.from_module(module, options).network == model.network


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_named(kind, tmp_path):
    content, reason = REFUSED[kind]
    saved = content.state_dict() if isinstance(content, nn.Module) else content()
    torch.save(saved, tmp_path / "model.pt")
    with pytest.raises(BadModel, match=reason) as error:
        modelfile.read(tmp_path / "model.pt")
    assert "\n" not in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "says",
    [
        {"nonlinearity": "tanh"},
        {"NonLinearity": "sigmoid"},
        {"activation_fn": "nn.Tanh"},
        {"act": "Tanh"},
        {"config": '{"rnn": {"nonlinearity": "tanh"}}'},
        {"config": "nn.RNN(2, 1, nonlinearity='tanh')"},
    ],
    ids=str,
)
def test_what_the_metadata_of_safetensors_say_is_heard(says, tmp_path):
    path = tmp_path / "m.safetensors"
    save_file(Net(relu()).state_dict(), path, {"format": "pt"} | says)
    name, said = next(iter(says)), "sigmoid" if "NonLinearity" in says else "tanh"
    with pytest.raises(BadModel, match=f"{name} = {said}"):
        modelfile.read(path)
    if name in ("act", "config"):  # it may speak of something else, and the user knows
        assert "nonlinearity relu" in modelfile.read(path, Options(nonlinearity="relu")).taken["layer"]


def in_zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return file.getvalue()


def torchscript() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.trace(Net(lstm()), torch.zeros(1, 3, 2)), file)
    return file.getvalue()


OTHER_FILES = {
    "TorchScript": (torchscript, "TorchScript"),
    "torch.export": (lambda: in_zip("m/archive_format", "m/models/model.json"), "torch.export"),
    "Keras": (lambda: in_zip("config.json", "model.weights.h5"), "Keras"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "ONNX": (lambda: b"\x08\x07\x12\x07pytorch" + bytes(99), "ONNX"),
    "GGUF": (lambda: b"GGUF" + bytes(99), "GGUF"),
    "a NumPy array": (lambda: b"\x93NUMPY\1\0" + bytes(99), "NumPy array"),
    "gzip": (lambda: b"\x1f\x8b" + bytes(99), "gzip"),
    "a page": (lambda: b"<!doctype html><title>404</title>", "failed download"),
    "JSON": (lambda: b'{"rnn.weight_hh_l0": [[1]]}', "JSON"),
    "a pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_other_files_are_named(kind, tmp_path):
    content, reason = OTHER_FILES[kind]
    (tmp_path / "model.pt").write_bytes(content())
    with pytest.raises(BadModel, match=reason):
        modelfile.read(tmp_path / "model.pt")


@pytest.mark.parametrize("kind", [nn.Softplus, nn.Tanh, nn.Sigmoid])
def test_a_parametrized_module_is_taken_as_it_computes(kind):
    """A state_dict does not say which parametrization it is, a module does."""
    net = Net(gru())
    parametrizations.weight_norm(net.fc)
    nn.utils.parametrize.register_parametrization(net.fc, "weight", kind())
    network = modelfile.from_module(net).network
    assert np.array_equal(network.parameters["output.weight"][0], net.fc.weight.detach().numpy())
    words = one_hot(Options())
    assert np.array_equal(logits(network.to_torch(0), words) >= 0, logits(net, words) >= 0)
