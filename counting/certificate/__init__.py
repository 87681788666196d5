"""For *every* word: a proof that a network is right on it, or the shortest word on which it fails.

    verdict   what a certificate says           decide      which proof is tried when
    relu · lstm · gru   what a symbol makes of a whole interval of states, in the network's own arithmetic
    boxes     many of them side by side         table       prefixes by length and depth
    band      words of any length               lower       no word shorter than this fails
    search    a word that fails                 extremes    both at once, for the ReLU
    far       a word beyond the tables
    several   networks of several counters    onestep    the engine's step, for them
    many      certificates of many networks, or which are proved
    exhaustive   every prefix, one by one: what all of this is held to

The network's own arithmetic is the engine's: IEEE float32 (or float64), every operation rounded to nearest,
nothing fused; output k says yes iff its logit is ≥ 0. That sigmoid and tanh are monotone, which the LSTM's
and the GRU's proofs rest on, is checked over every float32; for float64 it is assumed.
"""

from __future__ import annotations

from counting.compiled import kept_by

with kept_by(__name__):
    from counting.certificate.decide import LONGEST, MAX_DEPTH, certify
    from counting.certificate.exhaustive import shortest_failures
    from counting.certificate.many import certify_all, exact_counters, proved
    from counting.certificate.onestep import right_on
    from counting.certificate.several import SeveralCertificate, certify_language
    from counting.certificate.verdict import Certificate

__all__ = [
    "LONGEST",
    "MAX_DEPTH",
    "Certificate",
    "SeveralCertificate",
    "certify",
    "certify_all",
    "certify_language",
    "exact_counters",
    "proved",
    "right_on",
    "shortest_failures",
]
