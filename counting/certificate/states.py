"""Single states, stepped by the engine itself: what counterexamples are made of."""

from __future__ import annotations

import numpy as np

from counting.engine.block import GATES, load_weights, weight_rows
from counting.engine.lanes import LANES, lane_loop, like


@lane_loop
def load(cell, parameters):
    """The weights that the engine's steps read, from a block of parameters."""
    weights = np.zeros(weight_rows(GATES[cell]) * LANES, parameters.dtype)
    load_weights(weights, parameters, GATES[cell], like(1.0, parameters[0]))
    return weights
