"""Files that hold a network, in every form people save one; files that do not; files that would run code."""

from __future__ import annotations

import io
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

from counting import cells, modelfile, reference
from counting.cells import Networks
from counting.modelfile import BadModel


class Owner(nn.Module):
    """A user's module: other names, a layer around the layer."""

    def __init__(self, layer: nn.Module, outputs: int = 2) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"recurrent": layer})
        self.head = nn.Linear(1, outputs)


class Evil:
    """Pickled, it is a call of os.mkdir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def saved(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


class TestWhatIsRead:
    @pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
    def test_the_networks_of_this_package(self, cell, name, tmp_path):
        network = cells.initialize(cell, [5])
        path = saved(tmp_path / name, network.to_torch(0).state_dict())
        assert modelfile.load(path) == network
        assert modelfile.load(str(path)) == network

    @pytest.mark.parametrize("name", ["model.safetensors", "model.bin"])
    @pytest.mark.parametrize("outputs", [1, 2])
    @pytest.mark.parametrize("layer", [nn.LSTM(2, 1), nn.GRU(2, 1), nn.RNN(2, 1, nonlinearity="relu")])
    def test_other_modules(self, layer, outputs, name, tmp_path):
        module = Owner(layer, outputs)
        assert modelfile.load(saved(tmp_path / name, module.state_dict())) == Networks.from_torch([module])

    def test_single_cells(self, tmp_path):
        module = Owner(nn.LSTMCell(2, 1))
        network = modelfile.load(saved(tmp_path / "cell.pt", module.state_dict()))
        expected = module.encoder["recurrent"].weight_hh.detach().numpy()
        assert np.array_equal(network.parameters["weight_hh_l0"][0], expected)

    def test_float64_keeps_every_bit(self, tmp_path):
        network = cells.initialize("gru", [1]).astype("float64")
        network.parameters["bias_ih_l0"][0, 1] = 1 / 3
        assert modelfile.load(saved(tmp_path / "wide.pt", network.to_torch(0).state_dict())) == network

    def test_checkpoints_with_an_optimizer(self, tmp_path):
        module = Owner(nn.GRU(2, 1))
        optimizer = torch.optim.Adam(module.parameters())
        content = {"epoch": 7, "state_dict": module.state_dict(), "optimizer": optimizer.state_dict()}
        assert modelfile.load(saved(tmp_path / "last.ckpt", content)) == Networks.from_torch([module])

    def test_the_old_format_of_torch(self, tmp_path):
        network = cells.initialize("lstm", [2])
        path = tmp_path / "old.pt"
        torch.save(network.to_torch(0).state_dict(), path, _use_new_zipfile_serialization=False)
        assert modelfile.load(path) == network

    def test_numbers_that_are_not_finite_are_read_as_they_are(self, tmp_path):
        """A certificate refuses them; they are no fault of the file."""
        state = cells.initialize("relu", [0]).to_torch(0).state_dict()
        state["output.bias"][0] = torch.nan
        assert not modelfile.load(saved(tmp_path / "nan.pt", state)).finite[0]

    @pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
    def test_what_is_dropped_is_finite(self, tmp_path, number):
        """0 times NaN is NaN: such a column makes every output NaN, also where its symbol is never read."""
        module = cells.exact("lstm").to_torch(0)
        state = {name: value.clone() for name, value in module.state_dict().items()}
        state["rnn.weight_ih_l0"] = torch.cat([state["rnn.weight_ih_l0"], torch.full((4, 1), number)], dim=1)
        path = saved(tmp_path / "dropped.pt", state)
        with pytest.raises(BadModel, match="NaN or infinity"):
            modelfile.read(path, modelfile.Options(symbols="()$"))

    def test_tuples_that_hold_each_other_twice_are_not_written_out(self, tmp_path):
        """Forty tuples, each twice the one before: written or hashed in full they would have 2⁴⁰ parts."""
        tuples = b")" + b"2\x86" * 40
        path = tmp_path / "names.pt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", b"\x80\x02cbuiltins\ngetattr\nK\x01" + tuples + b"\x86R.")
            archive.writestr("a/version", "3")
        with pytest.raises(BadModel):
            modelfile.load(path)
        old = [pickle.dumps(x, protocol=2) for x in (0x1950A86A20F9469CFC6C, 1001, {}, {})]
        path.write_bytes(b"".join(old) + b"\x80\x02]" + tuples + b"a.")
        with pytest.raises(BadModel, match="storages"):
            modelfile.load(path)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("module", "reason"),
        [
            (Owner(nn.LSTM(2, 2)), "hidden size must be 1"),
            (Owner(nn.LSTM(3, 1)), r"symbols \(\) one-hot"),
            (Owner(nn.LSTM(2, 1), outputs=3), "3 outputs"),
            (Owner(nn.GRU(2, 1, num_layers=2)), "one recurrent layer"),
            (Owner(nn.GRU(2, 1, bidirectional=True)), "one direction"),
            (Owner(nn.LSTM(2, 1)).half(), "float16"),
            (nn.LSTM(2, 1), "read-out"),
            (nn.Linear(1, 2), "recurrent layer"),
            (nn.Sequential(nn.LSTM(2, 1), nn.GRU(2, 1), nn.Linear(1, 2)), "one recurrent layer"),
            (nn.Sequential(nn.LSTM(2, 1), nn.Linear(1, 2), nn.Linear(1, 1)), "one read-out"),
        ],
    )
    def test_other_networks(self, module, reason, tmp_path):
        for name in ("model.safetensors", "model.pt"):
            path = saved(tmp_path / name, module.state_dict())
            with pytest.raises(BadModel, match=reason) as error:
                modelfile.load(path)
            assert str(path) in str(error.value)

    def test_mixed_dtypes(self, tmp_path):
        state = cells.initialize("relu", [0]).to_torch(0).state_dict()
        state["output.bias"] = state["output.bias"].double()
        with pytest.raises(BadModel, match="float32, float64"):
            modelfile.load(saved(tmp_path / "mixed.pt", state))

    @pytest.mark.parametrize(
        "content",
        [b"", b"(())", b"PK\x03\x04 and no more", b"\x80\x02", b"\xff" * 64, b"\x10" + b"\0" * 7 + b"{"],
    )
    def test_no_model_at_all(self, content, tmp_path):
        path = tmp_path / "model.pt"
        path.write_bytes(content)
        with pytest.raises(BadModel, match="model.pt"):
            modelfile.load(path)

    @pytest.mark.parametrize("zipped", [True, False])
    def test_a_tensor_that_is_stored_negated(self, zipped, tmp_path):
        """The imaginary part of a conjugate is such a view: PyTorch loads the negative of what stands in the file."""
        state = cells.exact("lstm").to_torch(0).state_dict()
        state["output.weight"] = torch.complex(state["output.weight"], state["output.weight"]).conj().imag
        torch.save(state, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
        with pytest.raises(BadModel, match="unknown kind"):
            modelfile.load(tmp_path / "model.pt")

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_two_files_of_one_name_in_an_archive(self, tmp_path):
        """PyTorch reads the first of them, Python's zipfile the last."""
        path = saved(tmp_path / "model.pt", cells.exact("lstm").to_torch(0).state_dict())
        with zipfile.ZipFile(path, "a") as archive:
            name = next(name for name in archive.namelist() if name.endswith("data/0"))
            archive.writestr(name, bytes(len(archive.read(name))))
        with pytest.raises(BadModel, match="two files of one name"):
            modelfile.load(path)

    def test_a_storage_that_is_part_of_another(self, tmp_path):
        """Of PyTorch's first years: the storage begins further on in the one that is named."""
        path = tmp_path / "model.pt"
        state = cells.initialize("lstm", [1]).to_torch(0).state_dict()
        torch.save(state, path, _use_new_zipfile_serialization=False)
        whole = path.read_bytes()
        view = b"(X\x01\0\0\0vK\x01K\x01t"
        path.write_bytes(re.sub(rb"N(tq.Q)", lambda found: view + found[1], whole, count=1, flags=re.DOTALL))
        with pytest.raises(BadModel, match="view of a storage"):
            modelfile.load(path)

    def test_damaged_files(self, tmp_path):
        """Cut and changed anywhere, a file is read as it is or refused; nothing else is ever raised."""
        rng = np.random.default_rng(0)
        for name in ("whole.safetensors", "whole.pt"):
            whole = saved(tmp_path / name, cells.exact("lstm").to_torch(0).state_dict()).read_bytes()
            for _ in range(150):
                damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
                for place in rng.integers(len(damaged), size=rng.integers(8)):
                    damaged[place] = rng.integers(256)
                path = tmp_path / "damaged"
                path.write_bytes(damaged)
                try:
                    assert len(modelfile.load(path)) == 1
                except BadModel as error:
                    assert "damaged" in str(error)

    @pytest.mark.parametrize("content", [[1, 2], 3, "weights", torch.zeros(4)])
    def test_other_things_that_torch_saves(self, content, tmp_path):
        torch.save(content, tmp_path / "model.pt")
        with pytest.raises(BadModel, match="not a state_dict|recurrent layer"):
            modelfile.load(tmp_path / "model.pt")

    def test_missing_files_folders_and_giants(self, tmp_path, monkeypatch):
        with pytest.raises(BadModel, match="no such file"):
            modelfile.load(tmp_path / "none.pt")
        with pytest.raises(BadModel, match="is a folder"):
            modelfile.load(tmp_path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(BadModel, match="no regular file"):
            modelfile.load(tmp_path / "pipe")
        with pytest.raises(BadModel, match="file name too long"):
            modelfile.load(tmp_path / ("x" * 300))
        monkeypatch.setattr(modelfile.formats, "LARGEST", 100)
        path = saved(tmp_path / "model.pt", cells.exact("lstm").to_torch(0).state_dict())
        with pytest.raises(BadModel, match="too large"):
            modelfile.load(path)


class TestNoCodeIsRun:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_plain_pickles(self, protocol, tmp_path):
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps({"weight_ih_l0": Evil(tmp_path / "made")}, protocol))
        with pytest.raises(BadModel):
            modelfile.load(path)
        assert not (tmp_path / "made").exists()

    @pytest.mark.parametrize("zipped", [True, False])
    def test_torch_files_with_code(self, zipped, tmp_path):
        path = tmp_path / "model.pt"
        content = {"rnn.weight_ih_l0": torch.zeros(4, 2), "extra": Evil(tmp_path / "made")}
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(BadModel, match="recurrent layer"):
            modelfile.load(path)
        assert not (tmp_path / "made").exists()

    def test_whole_modules(self, tmp_path):
        torch.save(reference.Counter("lstm"), tmp_path / "module.pt")
        with pytest.raises(BadModel, match="state_dict"):
            modelfile.load(tmp_path / "module.pt")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_an_archive_that_says_it_is_small_is_not_unpacked_beyond_that(compression, tmp_path):
    """The two sizes in its headers say 1,000 bytes; unpacked it would be 256 MB."""
    import tracemalloc

    path = tmp_path / "arrays.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a.npy", bytes(2**28))
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\1\2") + 24
    content[at : at + 4] = content[22:26] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(BadModel, match="arrays.npz"):
        modelfile.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**26


def bomb(name: str) -> bytes:
    """Small pickles that made a reader hash, call or name without end."""
    from pickle import (
        BINGET,
        BINPUT,
        BINUNICODE,
        EMPTY_DICT,
        EMPTY_TUPLE,
        GLOBAL,
        NONE,
        PROTO,
        REDUCE,
        SETITEM,
        STOP,
        TUPLE2,
    )

    def text(word: str) -> bytes:
        return BINUNICODE + len(word).to_bytes(4, "little") + word.encode()

    start, again = PROTO + b"\x02" + EMPTY_DICT, BINPUT + b"\0" + BINGET + b"\0"
    if name == "nested tuple as a key":
        return start + EMPTY_TUPLE + (again + TUPLE2) * 200 + NONE + SETITEM + STOP
    if name == "repeated encoding":
        step = BINPUT + b"\0" + b"0" + GLOBAL + b"_codecs\nencode\n" + BINGET + b"\0" + text("hex") + TUPLE2 + REDUCE
        return start + text("a" * 100) + step * 40 + NONE + SETITEM + STOP
    if name == "nested prefixes":
        return start + (text("x" * 1000) + EMPTY_DICT) * 900 + SETITEM * 900 + STOP
    long = text("m" * 300_000)
    return (
        start
        + long
        + BINPUT
        + b"\0"
        + (BINGET + b"\0" + BINGET + b"\0" + b"\x93" + b"0") * 100_000
        + NONE
        + SETITEM
        + STOP
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["nested tuple as a key", "repeated encoding", "nested prefixes", "long names"])
def test_small_files_end_soon_in_little_memory(name, zipped, tmp_path):
    """A child with limits of 20 s and 2 GB reads it and refuses it; a crash or a limit would give another code."""
    content = bomb(name)
    path = tmp_path / "model.pt"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model/data.pkl", content)
    else:
        magic, more = pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2)
        path.write_bytes(magic + more + more + content + pickle.dumps([], 2))
    code = (
        "import resource, sys; from counting import modelfile\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "try: modelfile.load(sys.argv[1])\n"
        "except modelfile.BadModel as error: sys.exit(7 if 'memory' not in str(error).lower() else 8)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 7


def test_a_sigmoid_between_layers_is_no_part_to_pass_over():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(2, 1)
            self.head = nn.Sequential(nn.Sigmoid(), nn.Linear(1, 2))

    with pytest.raises(BadModel, match="Sigmoid before an nn.Linear"):
        modelfile.from_module(Last())


class Negative(nn.Module):
    """A layer without parameters."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


class Backwards(nn.Linear):
    """A layer with a known one's parameters."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -super().forward(x)


def hooked() -> nn.Module:
    module = nn.Linear(1, 2)
    module.register_forward_hook(lambda module, given, made: -made)
    return module


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (lambda: nn.ModuleDict({"more": Negative(), "output": nn.Linear(1, 2)}), "Negative"),
        (lambda: Backwards(1, 2), "Backwards"),
        (hooked, "a hook"),
        (lambda: nn.ModuleDict({"e": nn.Embedding(2, 2, max_norm=1), "output": nn.Linear(1, 2)}), "max_norm"),
    ],
)
def test_what_no_tensor_shows_of_a_module_is_no_part_to_pass_over(part, reason):
    with pytest.raises(BadModel, match=reason):
        modelfile.from_module(nn.ModuleDict({"rnn": nn.LSTM(2, 1), "part": part()}))


def test_hooks_by_which_pytorch_keeps_a_weight_are_known():
    module = nn.ModuleDict({"rnn": nn.LSTM(2, 1), "output": nn.Linear(1, 2)})
    prune.random_unstructured(module["output"], "weight", amount=1)
    network = modelfile.from_module(module).network
    assert np.array_equal(network.parameters["output.weight"][0], module["output"].weight.detach().numpy())


def test_two_arrays_of_one_name_are_refused(tmp_path):
    state = nn.ModuleDict({"rnn": nn.LSTM(2, 1), "output": nn.Linear(1, 2)}).state_dict()
    np.savez(tmp_path / "m.npz", **{name: one.numpy() for name, one in state.items()})
    file = io.BytesIO()
    np.save(file, np.ones(2, np.float32))
    with zipfile.ZipFile(tmp_path / "m.npz", "a") as archive:
        archive.writestr("output.bias", file.getvalue())
    with pytest.raises(BadModel, match=r"two arrays named output\.bias"):
        modelfile.read(tmp_path / "m.npz")
