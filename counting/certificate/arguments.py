"""Why a certificate holds, in a sentence or two."""

from __future__ import annotations


def band(depth: int, widest: float) -> str:
    """Say that a band over the depths 0 to `depth` closes; at its widest it is `widest` wide, 0 for single states."""
    if widest == 0:
        return (
            "The state after a prefix is a function of its depth alone, however long the prefix: `)` "
            f"undoes `(` to the bit at each of the depths 0 to {depth:,}, and at each the read-out is right."
        )
    return (
        f"No prefix leaves a band of states over the depths 0 to {depth:,}, however long it is: `(` takes "
        f"the band into itself one depth up and `)` one down. It is at most {widest:.3g} wide, and the "
        "read-out is right on all of it."
    )


def monotone(bound: int) -> str:
    """Say that the table of extreme states is read rightly in words shorter than `bound`."""
    return (
        "A step is monotone in the state, rounding included, so the smallest and the largest state over all "
        "prefixes of one length and depth follow from those one symbol before, and real prefixes reach them: "
        f"in words of fewer than {bound:,} symbols both are read rightly everywhere."
    )


def boxes(bound: int) -> str:
    """Say that the table of boxes is read rightly in words shorter than `bound`."""
    return (
        "Boxes that hold the states of all prefixes of one length and depth, computed in the network's own "
        f"arithmetic, are read rightly in words of fewer than {bound:,} symbols."
    )


NOTHING = "There is no shorter word."
SEARCHED = "The word was found among the extreme states of each length and depth."


def zigzag(base: int, peak: int) -> str:
    """Say that the word goes straight up and down between two depths, once or more often."""
    return (
        f"The word goes up and down between the depths {base:,} and {base + peak:,} until the network fails."
    )


def tower(height: int) -> str:
    """Say that the word is a tower."""
    return f"The word goes straight up to depth {height:,} and down."


def collision(n: int, m: int) -> str:
    """Say that `(^n` and `(^m` leave the same state."""
    return (
        f"`(^{n:,}` and `(^{m:,}` leave the same state, to the bit. So after {n:,} times `)` the answers "
        f"are the same, but the depths are 0 and {m - n:,}, which ask for different ones: one of the two is "
        "wrong."
    )
