"""What a certificate says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import fill
from typing import TYPE_CHECKING

from counting.dyck import Words

if TYPE_CHECKING:
    from counting.cells import Networks

ARITHMETICS = ("however it is computed", "in the engine's arithmetic only", "depends on rounding")
"""In which arithmetic a verdict holds. *However*: in any order of the sums, fused or not, with the sigmoid and tanh of
the engine or of any of PyTorch's paths, all in the network's own floating point; a word fails so where PyTorch does on
each path that is tried, and in float64."""

SHOWN = 60
"""Longer words are printed by their first and last symbols."""


@dataclass(frozen=True)
class Certificate:
    """A decision over *all* Dyck-1 words of up to `max_length` symbols and depth `max_depth`, in the
    network's arithmetic.

    A network is right on a word iff both outputs are right after every symbol. It fails on a word iff it is
    wrong after some prefix of it, so a prefix of t symbols at depth d counts as a word of t + d: the shortest
    that begins so.
    """

    cell: str
    dtype: str
    max_length: int | None
    """The words decided on: up to so many symbols; None: of any length."""
    max_depth: int | None
    """The words decided on: up to this depth; None: any depth, which `max_length` limits to half of
    itself."""
    proved: bool
    """The network is right on all these words."""
    lower: int
    """No word of fewer symbols fails (proved)."""
    argument: str
    """Why, in a sentence."""
    counterexample: Words | None = None
    """One word, on which the network fails."""
    failing_step: int | None = None
    """The 0-based first wrong step on it."""
    any_length_to_depth: int = 0
    """Words of *any* length up to this depth are right (proved)."""
    collision: tuple[int, int] | None = None
    """(n, m), n < m, such that `(^n` and `(^m` leave the network in the same state, to the bit."""
    pytorch_step: int | None = None
    """Where PyTorch's own module is first wrong on the counterexample; its length if nowhere; None if not
    replayed."""
    lower_however: int = 2
    """No word of fewer symbols fails, however the network is computed (proved)."""
    proved_however: bool = False
    """The network is right on all these words, however it is computed (proved)."""
    fails_however: bool | None = None
    """PyTorch's module fails on the counterexample on each path that was tried; None if not replayed."""

    @property
    def refuted(self) -> bool:
        """A word was found that the network reads wrongly."""
        return self.counterexample is not None

    @property
    def verdict(self) -> str:
        """One of "proved", "refuted" and "undecided"."""
        return "proved" if self.proved else "refuted" if self.refuted else "undecided"

    @property
    def upper(self) -> int | None:
        """Length of the counterexample: the first failing length is in [lower, upper]. None without one."""
        return None if self.counterexample is None else self.counterexample.longest

    @property
    def shortest(self) -> bool:
        """The counterexample is proved to be a shortest word that fails."""
        return self.refuted and self.lower == self.upper

    @property
    def pytorch_agrees(self) -> bool | None:
        """Whether PyTorch's own module fails on the counterexample too, at the same step or another.

        It may not where a logit is within rounding of 0. None without a counterexample, or if it was not
        replayed.
        """
        return None if self.pytorch_step is None or self.upper is None else self.pytorch_step < self.upper

    def replayed(self, network: Networks) -> Certificate:
        """With the counterexample, if there is one, read by PyTorch's own module. network: the one
        certified.
        """
        from counting import reference

        word = self.counterexample
        if word is None:
            return self
        module = network.to_torch(0)
        step = reference.first_failure(module, word)[0]
        everywhere = step < word.longest and reference.fails_however(module, word)
        return replace(self, pytorch_step=int(step), fails_however=bool(everywhere))

    @property
    def arithmetic(self) -> str | None:
        """In which arithmetic the verdict holds: one of `ARITHMETICS`.

        None if undecided, or refuted and not replayed.
        """
        if self.proved:
            return ARITHMETICS[0 if self.proved_however else 1]
        return None if self.fails_however is None else ARITHMETICS[0 if self.fails_however else 2]

    @property
    def shortest_however(self) -> bool:
        """No shorter word fails, however the network is computed (proved)."""
        return self.shortest and self.lower_however == self.upper

    def to_dict(self) -> dict[str, object]:
        """Plain numbers and strings, for JSON. The counterexample is a string of brackets."""
        names = ("cell", "dtype", "verdict", "max_length", "max_depth", "lower", "upper", "shortest")
        more = (
            "failing_step",
            "any_length_to_depth",
            "collision",
            "pytorch_agrees",
            "pytorch_step",
            "argument",
        )
        word = {"counterexample": None if self.counterexample is None else self.counterexample.strings()[0]}
        here = {n: getattr(self, n) for n in ("arithmetic", "lower_however", "shortest_however")}
        return {n: getattr(self, n) for n in names} | here | word | {n: getattr(self, n) for n in more}

    def __str__(self) -> str:
        lines = [f"{self.verdict.capitalize()}: {self._claim()}"]
        if self.counterexample is not None:
            lines += [f"word      {shown(self.counterexample)}", f"fails at  {self._where()}"]
        if self.any_length_to_depth and not self.proved:
            lines.append(f"but       right on words of any length to depth {self.any_length_to_depth:,}")
        lines.append(fill(self.argument, 100, initial_indent="argument  ", subsequent_indent=" " * 10))
        if self.arithmetic:
            lines.append(f"holds     {self._holds()}")
        if self.pytorch_step is not None:
            lines.append(f"PyTorch   {self._pytorch()}")
        return "\n".join(lines)

    def _claim(self) -> str:
        network = f"this {'ReLU' if self.cell == 'relu' else self.cell.upper()} network"
        words = "of any length" if self.max_length is None else f"of up to {self.max_length:,} symbols"
        if self.max_depth is not None:
            words += f" to depth {self.max_depth:,}"
        if self.proved:
            return f"{network} is right on every Dyck-1 word {words}."
        if not self.refuted:
            known = f"on those of fewer than {self.lower:,} symbols it is"
            return f"whether {network} is right on every Dyck-1 word {words}; {known}."
        shorter = "no shorter one" if self.shortest else f"none of fewer than {self.lower:,}"
        return f"{network} is wrong on a word of {self.upper:,} symbols, and on {shorter}."

    def _holds(self) -> str:
        """In which arithmetic the verdict holds, and that no shorter word fails."""
        if self.proved:
            return f"{self.arithmetic}"
        shorter = "shorter word fails" if self.shortest else f"word of fewer than {self.lower:,} symbols fails"
        if self.lower_however == self.lower:
            return f"{self.arithmetic}; that no {shorter}, too, however it is computed"
        however = f"(however: than {self.lower_however:,})"
        return f"{self.arithmetic}; that no {shorter}, in the engine's arithmetic {however}"

    def _where(self) -> str:
        assert self.counterexample is not None  # of a refuted network
        depth = int(self.counterexample.depth[0, self.failing_step])
        return f"step {self.failing_step:,} (0 is the first), at depth {depth:,}"

    def _pytorch(self) -> str:
        if not self.pytorch_agrees:
            return "disagrees: its own module is right on this word, so a logit is within rounding of 0"
        if self.pytorch_step == self.failing_step:
            return "agrees: its own module fails at the same step"
        return f"agrees: its own module fails on this word too, at step {self.pytorch_step:,}"


def shown(word: Words) -> str:
    """Return a single word to be read: in full, or how it begins and ends."""
    text, about = word.strings()[0], f"({word.longest:,} symbols, depth {int(word.depth.max()):,})"
    if len(text) > SHOWN:
        text = f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}"
    return f"{text}  {about}"
