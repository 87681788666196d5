"""What may be done after training, and is judged apart from it: moving a network to the exact counter beside it.

Nothing here knows a word's count. `gained` turns one knob for all gates alike; `rounded` takes the ReLU counter whose
weights lie within a stated bound of the trained ones, and only where no decision on given words changes.
"""

from __future__ import annotations

import numpy as np

from counting import evaluation
from counting.anatomy import relu
from counting.cells import Networks
from counting.dyck import Words
from counting.training import folded


def gained(networks: Networks, gain: float) -> Networks:
    """Return the same networks with every weight and bias of the recurrent layer times `gain`; the read-out stays."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if not 0 < networks.dtype.type(gain) < float("inf"):
            raise ValueError(f"a gain is finite and > 0 in {networks.dtype.name}; got {gain!r}")
        return folded(networks, gain)


def rounded(networks: Networks, words: Words, bound: float) -> tuple[Networks, np.ndarray]:
    """ReLU networks moved to the exact counter that lies within `bound`, where no decision on `words` changes.

    With A and B the contributions of `(` and `)` and u the recurrent weight, a network is moved if A > 0,
    |u − 1| ≤ bound and |B / A + 1| ≤ bound. Its state is measured in units of A, so that the step is 1, a power of
    two; u becomes 1 and B / A becomes −1; the read-out keeps its slope per bracket and its biases.

    Returns the networks and bool (runs,), which of them were moved; the others are as they were.
    Raises ValueError for another cell or a bound outside (0, 1).
    """
    if networks.cell != "relu":
        raise ValueError(f"only the ReLU cell is rounded, not {networks.cell!r}: an LSTM needs saturation (`gained`)")
    if not 0 < bound < 1:
        raise ValueError(f"a bound lies between 0 and 1; got {bound!r}")
    opening, closing, recurrent = relu.contributions(networks)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        near = (opening > 0) & (np.abs(recurrent - 1) <= bound) & (np.abs(closing / opening + 1) <= bound)
    exact = in_steps(networks)
    same = evaluation.first_failure(exact, words) == evaluation.first_failure(networks, words)
    moved = near & same.all(axis=1)
    parameters = {
        name: np.where(moved.reshape(-1, *[1] * (array.ndim - 1)), exact.parameters[name], array)
        for name, array in networks.parameters.items()
    }
    return Networks("relu", parameters), moved


def in_steps(networks: Networks, u: float = 1.0, ratio: float = 1.0) -> Networks:
    """ReLU networks with the state measured in units of A, and these u and −B / A in place of their own.

    The read-outs stay what they are per bracket. With the defaults: exact counters, where A > 0.
    """
    opening, _, _ = relu.contributions(networks)
    old = networks.parameters
    new = {name: np.zeros_like(array) for name, array in old.items()}
    new["weight_ih_l0"][:, 0] = 1, -ratio
    new["weight_hh_l0"][:] = u
    with np.errstate(over="ignore", invalid="ignore"):
        new["output.weight"][:] = (old["output.weight"] * opening[:, None, None]).astype(networks.dtype)
    new["output.bias"][:] = old["output.bias"]
    return Networks("relu", new)
