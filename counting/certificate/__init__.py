"""For *every* word: a proof that a network is right on it, or the shortest word on which it fails.

    verdict      what a certificate says           procedure    which proof is tried when
    gates        a network as the proofs read it   relu · lstm · gru   one symbol on a whole interval of states
    boxes        many intervals side by side       band         an invariant: words of any length
    table        prefixes by length and depth      reachability no word shorter than this fails
    search       a word that fails                 extremes     both at once, for the ReLU
    cycle        prefixes that leave the same bits exact        counters whose first rungs prove the rest
    many         certificates of many networks, or which are proved
    several      networks of several counters: shuffles · powers, by onestep, the engine's step for them

The network's own arithmetic is the engine's: IEEE float32 (or float64), every operation rounded to nearest,
nothing fused; output k says yes iff its logit is ≥ 0. That sigmoid and tanh are monotone, which the LSTM's
and the GRU's proofs rest on, is checked over every float32; for float64 it is assumed.
"""

from __future__ import annotations

from counting.compiled import kept_by

with kept_by(__name__):
    from counting.certificate.exact import exact_counters
    from counting.certificate.many import certify_all, proved
    from counting.certificate.onestep import right_on
    from counting.certificate.procedure import LONGEST, MAX_DEPTH, certify
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
]
