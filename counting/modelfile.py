"""A network from a file or a module that someone brings, with what was taken from it in words. No code is run.

`formats` gives the tensors, `parts` finds the network among them. What those do not say, which column is which symbol
and what an output decides, is an option with a default that is stated.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from counting import formats, languages, parts
from counting.cells import GATES, MOST, Networks
from counting.languages import END, Language
from counting.pickled import BadModel, Tensor, printable

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Options:
    """What a state_dict does not say."""

    nonlinearity: str | None = None
    """Of a plain RNN, "relu" or "tanh"."""
    symbols: str | None = None
    """What each column of the input is: the language's symbols in any order, `^` for one that begins words and `$` for
    those read only after a word (an end, a padding). None: the language's symbols in order."""
    outputs: str | None = None
    """What each output allows: symbols, and `$` where it says that the word may end. None: the language's in order; a
    single one is ")"."""
    decide: str = "sigmoid"
    """ "sigmoid": each output says yes or no. "argmax": the larger of two that exclude each other, ")$" or "$)"."""
    threshold: float = 0.5
    """Least sigmoid that says yes."""
    prefix: str = ""
    """Only tensors whose names begin so are looked at."""
    language: str = "dyck-1"
    """As `languages.named` takes it."""

    def __post_init__(self) -> None:
        alphabet, allowed = self.words.alphabet, self.words.outputs.replace(END, "$")
        symbols, outputs = self.symbols or alphabet, self.outputs or allowed
        if self.nonlinearity not in (None, "relu", "tanh"):
            raise BadModel(f"the nonlinearity is relu or tanh, not {printable(self.nonlinearity)}")
        if sorted(symbols.replace("^", "", 1).replace("$", "")) != sorted(alphabet):
            raise BadModel(
                f"symbols are {alphabet} in any order, with ^ for one that begins words and $ for those that are read "
                f"only after them; not {printable(symbols)}"
            )
        if self.dyck:
            fine = set(outputs) <= {*"()$"} and len(set(outputs)) == len(outputs) and outputs != "("
        else:
            fine = sorted(outputs) == sorted(allowed)
        if not fine:
            end = ", with $ for one that says that the word may end" * self.dyck
            raise BadModel(f"outputs are {allowed} in any order{end}; not {printable(outputs)}")
        if self.decide not in ("sigmoid", "argmax") or not 0 < self.threshold < 1:
            raise BadModel("what decides is sigmoid or argmax, and a threshold is above 0 and below 1")
        if self.decide == "argmax" and (sorted(outputs) != ["$", ")"] or self.threshold != 0.5):
            raise BadModel(
                "argmax takes one of two outputs that exclude each other, and no threshold: give --outputs ')$' or "
                "'$)', where $ says that the word may end"
            )

    @property
    def words(self) -> Language:
        """Give the language."""
        return languages.named(self.language)

    @property
    def dyck(self) -> bool:
        """Tell whether the language is Dyck-1."""
        return self.words.alphabet == "()"


@dataclass(frozen=True)
class Model:
    """What was read: a stack of one network, or of two that must both be right; and what was taken for what.

    There are two where both an output for `)` and one for the word's end are to be right: the second network's output
    for `)` says yes where the word may not end.
    """

    network: Networks
    taken: dict[str, str] = field(default_factory=dict)
    """Subject -> sentence."""

    def __str__(self) -> str:
        return "\n".join(f"{subject:<9} {sentence}" for subject, sentence in self.taken.items())


def load(path: str | os.PathLike[str], options: Options | None = None) -> Networks:
    """Read the network in a file, as a stack of one. Raises BadModel, with a reason, for anything else."""
    return read(path, options).network


def read(path: str | os.PathLike[str], options: Options | None = None) -> Model:
    """Read the network in a file, and say what was taken. Raises BadModel, with a reason, for anything else."""
    path = Path(path)
    shown = printable(str(path), 200)
    try:
        return from_tensors(formats.content(path), options)
    except BadModel as error:
        raise BadModel(f"{shown}: {error}") from error.__cause__
    except OSError as error:
        raise BadModel(f"{shown}: {(error.strerror or str(error)).lower()}") from error
    # Bytes of unknown origin: whatever the readers make of them, it is a bad file.
    except Exception as error:
        reason = printable(str(error) or type(error).__name__, 200)
        raise BadModel(f"{shown}: cannot be read as safetensors or as a state_dict of torch.save: {reason}") from error


def from_module(module: nn.Module, options: Options | None = None) -> Model:
    """Take the network that a PyTorch module is, and say what was taken. Raises BadModel for another network."""
    import torch
    from torch import nn
    from torch.nn.utils import parametrize

    harmless: tuple = (
        nn.Sigmoid, nn.Dropout, nn.Identity, nn.Flatten, nn.Linear, nn.Embedding, nn.RNNBase, nn.RNNCellBase
    )  # fmt: skip
    for name, part in module.named_modules():
        leaf = part is not module and not any(part.children()) and ".parametrizations." not in f".{name}."
        # A class that builds on a known one may compute anything in its own `forward`.
        known = isinstance(part, harmless) and type(part).forward.__module__.startswith("torch.nn.modules.")
        if leaf and not known:
            raise BadModel(f"the module has {name}, of {type(part).__name__}, which would be passed over")
        hooks = [*part._forward_hooks.values(), *part._forward_pre_hooks.values()]
        if not all(type(hook).__module__.startswith("torch.nn.utils.") for hook in hooks):
            raise BadModel(f"the module has a hook {f'on {name} ' if name else ''}that would be passed over")
        if isinstance(part, nn.Embedding) and part.max_norm is not None:
            raise BadModel(f"the module has {name}, an embedding with max_norm, which would be passed over")
        kinds = [type(step) for step in part] if isinstance(part, nn.Sequential) else []
        if nn.Sigmoid in kinds and nn.Linear in kinds[kinds.index(nn.Sigmoid) :]:
            raise BadModel("the module has an nn.Sigmoid before an nn.Linear, which would be passed over")
    nonlinearity = {part.nonlinearity for part in module.modules() if isinstance(part, nn.RNN | nn.RNNCell)}
    if len(nonlinearity) == 1:
        options = replace(options or Options(), nonlinearity=nonlinearity.pop())

    def tensor(one: torch.Tensor) -> Tensor:
        readable = not one.is_meta and one.layout is torch.strided
        dtype = str(one.dtype).removeprefix("torch.") if readable else f"{one.device} (without numbers)"
        return Tensor(tuple(one.shape), dtype, lambda: one.detach().cpu().numpy().copy())

    state = {**dict(module.named_buffers()), **module.state_dict()}
    # What a parametrization, of whatever kind, makes of its parameters stands in their place.
    for owner, part in module.named_modules():
        if parametrize.is_parametrized(part):
            before = f"{owner}." if owner else ""
            state = {name: one for name, one in state.items() if not name.startswith(f"{before}parametrizations.")}
            state |= {f"{before}{name}": getattr(part, name) for name in part.parametrizations}
    return from_tensors({name: tensor(one) for name, one in state.items() if isinstance(one, torch.Tensor)}, options)


def from_modules(modules: Iterable[nn.Module]) -> Networks:
    """Take the networks that modules are: `Networks.from_torch`."""
    from counting import reference

    return Networks.concatenate(
        Networks(module.cell, {name: array[None] for name, array in reference.to_parameters(module).items()})
        if isinstance(module, reference.Counter) and module.sizes != (1, 2, 2)
        else from_module(module).network
        for module in modules
    )


def from_tensors(content: object, options: Options | None = None) -> Model:
    """Take the network in a state_dict of `Tensor`, or in containers that hold one. Raises BadModel."""
    options = options or Options()
    tensors, said = formats.flat(content)
    tensors = {name: t for name, t in tensors.items() if name.startswith(options.prefix)}
    if options.prefix and not tensors:
        raise BadModel(f"has no tensor whose name begins with {printable(options.prefix)}")
    normalized = [name for name in tensors if name.endswith(("_g", ".original0"))]
    found = parts.find(tensors, 1 if options.dyck else MOST["units"])
    cell = {number: cell for cell, number in GATES.items()}[found.gates]
    kind = f"{'ReLU' if cell == 'relu' else cell.upper()}, {found.units} unit{'s' * (found.units > 1)}"
    taken = {"layer": f"{printable(found.layer['weight_hh'])}: {kind}"}
    if cell == "relu":
        taken["layer"] += f"; {_nonlinearity(options, said)}"
    missing = [name for name in parts.PARAMETERS if name not in found.layer]
    parameters = {name: found.tensors[full].numbers() for name, full in found.layer.items()}
    parameters |= {name: np.zeros(found.gates * found.units, found.dtype) for name in missing}
    if name := found.embedding:
        parameters["weight_ih"] = _folded(parameters["weight_ih"], found.tensors[name].numbers(), name)
        taken["embedding"] = f"{printable(name)}: weight_ih times it, which is not rounded"
    parameters["weight_ih"], taken["symbols"] = _columns(cell, parameters, options)
    weight = found.tensors[found.readout[0]].numbers()
    bias = found.tensors[found.readout[1]].numbers() if found.readout[1:] else np.zeros(len(weight), found.dtype)
    rows, said_of_rows = _decisions(weight, bias, options)
    taken["outputs"] = f"{printable(found.readout[0])}: {said_of_rows}"
    if normalized:
        taken["weights"] = f"{parts.listed(normalized)}: weight normalization is assumed"
    if missing := missing + ["the read-out's bias"] * (len(found.readout) == 1):
        taken["biases"] = f"{', '.join(missing)} missing: zeros"
    if not options.dyck:
        taken["language"] = options.words.name
    taken["numbers"] = f"{found.dtype}, as the file has them"
    arrays = {f"{name}_l0": np.stack([array] * len(rows)) for name, array in parameters.items()}
    arrays |= {"output.weight": np.stack([w for w, _ in rows]), "output.bias": np.stack([b for _, b in rows])}
    return Model(Networks(cell, {name: array.astype(found.dtype) for name, array in arrays.items()}), taken)


def _nonlinearity(options: Options, said: Mapping[str, str]) -> str:
    """Which one is taken, in words. Raises BadModel for tanh, and where file and option differ."""
    for name, value in said.items():
        named = name.rpartition(".")[2].lower() in ("nonlinearity", "activation")
        mentioned = value in ("relu", "tanh") and not options.nonlinearity
        if (named or mentioned) and value != (options.nonlinearity or "relu"):
            raise BadModel(f"says {printable(name)} = {value}, where {options.nonlinearity or 'relu'} would be taken")
    if options.nonlinearity == "tanh":
        raise BadModel("is a tanh RNN: only those with nonlinearity='relu', LSTMs and GRUs are decided on")
    if options.nonlinearity or "relu" in said.values():
        return "nonlinearity relu"
    return "nonlinearity relu is assumed, which a state_dict does not say (nn.RNN's own default is tanh)"


def _folded(weight: np.ndarray, vectors: np.ndarray, name: str) -> np.ndarray:
    """Give what the layer makes of each vector. Raises BadModel where that may be rounded, in whatever order."""
    _check_dropped(weight)
    rows, place = np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)
    factor = vectors[rows, place]
    with np.errstate(all="ignore"):
        folded = weight[:, place] * factor
        kept = (factor == 0) | (folded / factor == weight[:, place]).all(axis=0)
    alone = (vectors != 0).sum(axis=1) <= 1
    power = np.isin(np.frexp(np.abs(factor))[0], (0, 0.5))
    if not (alone & power & kept).all():
        raise BadModel(
            f"holds {printable(name)} {vectors.shape}, an embedding whose product with weight_ih is rounded, in an "
            "order that PyTorch does not promise: save weight_ih @ embedding.T as weight_ih, and no embedding, to "
            "decide on the network with that product"
        )
    if len(vectors) == vectors.shape[1] and not np.array_equal(vectors, vectors.T):
        raise BadModel(
            f"holds {printable(name)}, of which the file does not say whether it is an nn.Embedding or an nn.Linear"
        )
    return folded


def _columns(cell: str, parameters: Mapping[str, np.ndarray], options: Options) -> tuple[np.ndarray, str]:
    """Give weight_ih with a column for each symbol of the language, in its order; and a sentence."""
    alphabet, weight = options.words.alphabet, parameters["weight_ih"]
    symbols = options.symbols or alphabet
    if weight.shape[1] != len(symbols):
        more = "--symbols '()$' and the like say what each is, ^ what begins words and $ what is read only after them"
        raise BadModel(
            f"weight_ih must have shape {(len(weight), len(symbols))}, for the symbols {symbols} one-hot; it has "
            f"{weight.shape}{f': {more}' if weight.shape[1] > len(symbols) else ''}"
        )
    if "^" in symbols and (state := _after(cell, parameters, symbols.index("^"))).any():
        raise BadModel(
            f"the state after the symbol that begins words is {', '.join(f'{x:.4g}' for x in state)}, and only "
            "networks whose words begin at zero are decided on: leave ^ out of the words, as --symbols '$()' does, to "
            "decide on the network without it"
        )
    meaning = {"^": "read first, which leaves the state zero", "$": "read only after the word"}
    columns = ", ".join(f"column {n} is {meaning.get(s, s)}" for n, s in enumerate(symbols))
    kept = [symbols.index(s) for s in alphabet]
    _check_dropped(np.delete(weight, kept, axis=1))
    return weight[:, kept], f"one-hot: {columns}; the state starts at zero"


def _check_dropped(columns: np.ndarray) -> None:
    """Raise BadModel where columns of weight_ih that always meet a 0 would make the product NaN all the same."""
    if not np.isfinite(columns).all():
        raise BadModel("holds NaN or infinity in weight_ih, which makes NaN of every product: train it again")


def _after(cell: str, parameters: Mapping[str, np.ndarray], column: int) -> np.ndarray:
    """Give the state after one symbol, as PyTorch's own module has it."""
    import torch

    from counting import reference

    arrays = {f"{name}_l0": array for name, array in parameters.items()}
    arrays["weight_ih_l0"] = arrays["weight_ih_l0"][:, [column]]
    arrays |= {"output.weight": arrays["weight_hh_l0"][:1], "output.bias": arrays["bias_hh_l0"][:1]}
    module = reference.from_parameters(cell, arrays)
    with torch.no_grad():
        _, state = module.rnn(torch.ones(1, 1, dtype=module.output.bias.dtype))
    return torch.cat(state if isinstance(state, tuple) else (state,)).numpy().ravel()


Row = tuple[np.ndarray, np.ndarray]
"""Weight and bias of one output."""


def _decisions(weight: np.ndarray, bias: np.ndarray, options: Options) -> tuple[list[Row], str]:
    """Give the read-outs that must be right, their rows in the order of the language's outputs; and a sentence."""
    size = len(weight)
    allowed = options.words.outputs.replace(END, "$")
    names = options.outputs or (")" if options.dyck and size == 1 else allowed)
    if size != len(names):
        raise BadModel(
            f"the read-out has {size} outputs, where {names} are {len(names)}: --outputs '()$' and the like say what "
            "each allows, $ that the word may end"
        )
    logit = weight.dtype.type(np.log(options.threshold / (1 - options.threshold)))
    rows = {name: (weight[n], bias[n] - logit) for n, name in enumerate(names)}
    meaning = {"$": "may the word end"}
    said = "; ".join(f"output {n}: {meaning.get(s, f'may {s} come next')}" for n, s in enumerate(names))
    if options.decide == "argmax":
        first, second = (rows[name] for name in names)
        rows = {names[0]: (first[0] - second[0], first[1] - second[1])}
        said += "; the larger logit decides, the first of equal ones, as their rows' difference does, which is rounded"
    elif logit:
        said += f"; yes iff the logit is {logit:.6g} or more (sigmoid {options.threshold:g}), taken off the biases"
    else:
        said += "; yes iff the logit is 0 or more (sigmoid 0.5 or more)"
    if not options.dyck:
        return [_stacked(rows[name] for name in allowed)], said
    if "(" not in rows:
        said += "; ( is always allowed"
    opening = rows.get("(", (np.zeros_like(weight[0]), weight.dtype.type(1)))
    closing = [row if name == ")" else _opposite(*row) for name, row in rows.items() if name != "("]
    return [_stacked((opening, row)) for row in closing], said


def _stacked(rows: Iterable[Row]) -> Row:
    weights, biases = zip(*rows, strict=True)
    return np.stack(weights), np.stack(biases)


def _opposite(weight: np.ndarray, bias: np.ndarray) -> Row:
    """Give the output that says yes exactly where this one says no, a logit of 0 included: −w h ≥ b's next number."""
    return -weight, np.nextafter(-bias, -np.inf, dtype=bias.dtype)
