"""The commands: `python -m counting certify FILE …` and `python -m counting show FILE [WORD]`.

Exit code of `show`: 0 where what it says was written, else 2.
Of `certify`: 0 proved · 1 refuted · 2 bad input, or anything that kept a verdict from being printed · 3 undecided;
of several files the worst, in the order 2, 1, 3, 0.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import itertools
import json
import math
import os
import sys
import textwrap
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path


def _say(text: str) -> None:
    """Print on stderr; where that is closed or full, nobody hears it, and the exit code still says what it means."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr)


try:
    from tqdm import tqdm

    from counting import certificate, files, modelfile
    from counting.cells import Networks
    from counting.certificate import Certificate, SeveralCertificate
    from counting.certificate.onestep import MAX_COUNT
    from counting.dyck import Words
    from counting.modelfile import Model, Options
except KeyboardInterrupt:
    _say("interrupted")
    sys.exit(130)
except Exception as error:  # whatever a broken environment raises; not Python's own exit code 1, which means refuted
    _say(f"error: {error}")
    sys.exit(2)

EXIT = {"proved": 0, "refuted": 1, "undecided": 3}
BAD_INPUT = 2
WORST_FIRST = (BAD_INPUT, 1, 3, 0)
COLUMNS = ("file", "verdict", "cell", "dtype", "lower", "upper", "error")
MAX_LENGTH = 1000
SILENT = 5.0
"""Seconds after which a first call says why it takes long."""


@dataclass(frozen=True)
class Finding:
    """One file: what was taken and decided, or what was wrong with it."""

    file: str
    model: Model | None = None
    verdict: Certificate | SeveralCertificate | None = None
    error: str = ""
    hint: str = ""

    @property
    def exit(self) -> int:
        """Give this file's exit code."""
        return EXIT[self.verdict.verdict] if self.verdict else BAD_INPUT

    def to_dict(self) -> dict[str, object]:
        """Give what JSON has."""
        if not (self.verdict and self.model):
            return {"file": self.file, "verdict": "error", "error": self.error}
        taken: dict[str, object] = {"taken": self.model.taken, "hint": self.hint or None}
        if isinstance(self.verdict, Certificate):
            return {"file": self.file, **self.verdict.to_dict(), **taken}
        network, word = self.model.network, self.word
        return {
            **{"file": self.file, "cell": network.cell, "dtype": network.dtype.name, "verdict": self.verdict.verdict},
            **{"upper": len(word) if word else None, "counterexample": word or None},
            **{name: getattr(self.verdict, name) for name in ("failing_step", "argument")},
            **taken,
        }

    @property
    def word(self) -> str:
        """Give the word on which the network fails; empty where none is known."""
        found = self.verdict and self.verdict.counterexample
        return found.strings()[0] if found else ""

    @property
    def said(self) -> str:
        """Give the verdict in words."""
        found = self.verdict
        if not found or not self.model or isinstance(found, Certificate):
            return str(found or "Error")
        claims = {"proved": "right on every", "refuted": "wrong on a", "undecided": "perhaps right on every"}
        reach = "" if found.verdict == "refuted" else f" with counts up to {MAX_COUNT:,}, in the engine's arithmetic"
        claim = f"this network is {claims[found.verdict]} word of {self.model.taken['language']}{reach}."
        lines = [f"{found.verdict.capitalize()}: {claim}"]
        if word := self.word:
            shown = word if len(word) <= 60 else f"{word[:30]} … {word[-30:]}"
            lines.append(f"word      {shown}  ({len(word):,} symbols)")
            lines.append(f"fails at  step {found.failing_step:,} (0 is the first)")
        lines.append(textwrap.fill(found.argument, 100, initial_indent="argument  ", subsequent_indent=" " * 10))
        return "\n".join(lines)

    def __str__(self) -> str:
        return "\n".join(str(part) for part in (self.model, self.said, self.hint) if part)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. argparse itself exits with 2."""
    options = _parser().parse_args(arguments)
    try:
        if sys.stdout is None:
            raise ValueError("standard output is closed, nobody could read what would be printed")
        code = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Who reads has enough. What is left in the buffer must not fail again when Python ends.
        _drop_output()
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    # Exit code 1 means refuted, so no fault of whatever kind may end as Python's own exit code 1.
    except Exception as error:
        _say(f"error: {modelfile.printable(str(error) or type(error).__name__, 300)}")
        if isinstance(error, OSError):
            _drop_output()
    return BAD_INPUT


def _drop_output() -> None:
    with contextlib.suppress(OSError):  # then Python ends with 120, which is no verdict either
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _taken(options: argparse.Namespace) -> Options:
    return Options(**{one.name: getattr(options, one.name) for one in dataclasses.fields(Options)})


def _show(options: argparse.Namespace) -> int:
    """Draw a network along a word, or write the lab's page opened on it."""
    from counting import evaluation

    path = Path(options.output or f"{Path(options.file).stem}.{'html' if options.html else 'svg'}")
    allowed = (".html",) if options.html else (".svg", ".png")
    if path.suffix.lower() not in allowed:
        raise ValueError(f"{path} is written as {' or '.join(allowed)}{'' if options.html else '; --html for a page'}")
    model = modelfile.read(options.file, _taken(options))
    word = Words.from_strings([options.word]) if options.word else _failing(model.network)
    failures = evaluation.first_failure(model.network, word)[:, 0]
    # Of two that must both be right the one that fails first.
    network, step = model.network[int(failures.argmin())], int(failures.min())
    fails = "no step" if step == word.longest else f"step {step:,} of {word.longest:,} (0 is the first)"
    if options.html:
        from counting import lab

        files.write(path, lab.page(network, word.strings()[0], Path(options.file).name))
    else:
        files.write(path, _picture(network, word, path.suffix[1:].lower()))
    print(model)
    print(f"word      {certificate.verdict.shown(word)}")
    print(f"fails at  {fails}\nwrote     {path}")
    return 0


def _failing(networks: Networks) -> Words:
    """Give the word on which the certificate says that one fails; one that rises and falls where it says none."""
    found = _verdict(networks, 10_000, replay=False)
    if found.counterexample is not None:
        return found.counterexample
    print(f"{found.verdict} to {found.max_length:,} symbols: no word on which it fails is known, one of 20 is shown")
    return Words.from_strings(["(" * 10 + ")" * 10])


def _picture(network: Networks, word: Words, form: str) -> bytes:
    import io

    import matplotlib

    matplotlib.use("Agg")
    from counting.figures import style
    from counting.figures.lab import first_failure

    style.use()
    drawn = io.BytesIO()
    first_failure(network, word).savefig(drawn, format=form, metadata={"Date": None} if form == "svg" else None)
    return drawn.getvalue()


def _certify(options: argparse.Namespace) -> int:
    taken = _taken(options)
    if not taken.dyck and options.max_length != MAX_LENGTH:
        raise ValueError("--max-length is for dyck-1; of other languages words of any length are decided on")
    slow = threading.Timer(SILENT, _say, ["still at it: a first call compiles for a while"])
    slow.daemon = True
    slow.start()
    watched = len(options.file) > 1 and sys.stderr is not None and sys.stderr.isatty()
    files = tqdm(options.file, disable=not watched, unit="file", leave=False)
    try:
        found = [_finding(file, taken, options.max_length) for file in files]
    finally:
        slow.cancel()
    _print(found, options)
    return next(code for code in WORST_FIRST if code in {one.exit for one in found})


def _finding(file: str, options: Options, max_length: int | None) -> Finding:
    shown = modelfile.printable(file, 200)
    try:
        model = modelfile.read(file, options)
        if not options.dyck:
            return Finding(shown, model, certificate.certify_language(model.network, options.words))
        _say_what_can_be_done(model.network.cell, max_length)
        verdict = _verdict(model.network, max_length)
        return Finding(shown, model, verdict, hint=_hint(file, options, verdict))
    except ValueError as error:
        return Finding(shown, error=str(error))


def _verdict(networks: Networks, max_length: int | None, replay: bool = True) -> Certificate:
    """Decide on networks that must all be right: the certificate of the worst, with what is known of all."""
    each = [certificate.certify(networks[n], max_length, replay=replay) for n in range(len(networks))]
    worst = min(each, key=lambda one: (one.upper or math.inf, one.lower))
    of_all = ("lower", "lower_however", "proved_however", "any_length_to_depth")
    return replace(worst, **{name: min(getattr(one, name) for one in each) for name in of_all})


@cache
def _say_what_can_be_done(cell: str, max_length: int | None) -> None:
    """Say, once for a cell, what is tried beyond the length to which all words are looked at."""
    if max_length and max_length > (longest := certificate.LONGEST[cell]):
        _say(
            f"note: beyond {longest:,} symbols a {'ReLU' if cell == 'relu' else cell.upper()} is proved right only "
            "where its states stay in a narrow band at every depth, and else refuted where one of some long words "
            "fails, or undecided; that takes a second or some minutes"
        )


def _hint(file: str, options: Options, verdict: Certificate) -> str:
    """Say what reading the file another way would give, where the network fails on the shortest word of all."""
    if verdict.upper != 2:
        return ""
    symbols = options.symbols or "()"
    for columns, outputs in itertools.product((symbols, symbols.translate(_SWAP)), OUTPUTS):
        for decide in ("sigmoid", "argmax"):
            try:
                other = replace(options, symbols=columns, outputs=outputs, decide=decide)
                found = _verdict(modelfile.read(file, other).network, 1000, replay=False)
            except ValueError:
                continue  # other outputs than it has
            if found.proved or found.lower > 4:
                changed = [f"--symbols '{columns}'"] * (columns != symbols)
                changed += [f"--outputs '{outputs}'"] * (outputs not in ("()", ")", options.outputs))
                changed += ["--decide argmax"] * (decide != options.decide)
                right = "up to 1,000" if found.proved else f"fewer than {found.lower:,}"
                return f"hint      with {' and '.join(changed)} it is right on words of {right} symbols"
    return ""


OUTPUTS = ("()", ")", ")(", "$", "($", "$(", ")$", "$)")
"""What the outputs of a network may mean, in the order in which a hint looks for it."""

_SWAP = str.maketrans("()", ")(")


def _print(found: list[Finding], options: argparse.Namespace) -> None:
    single = len(found) == 1
    if options.json:
        content = [one.to_dict() for one in found]
        print(json.dumps(content[0] if single else content, indent=2))
    elif options.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([one.to_dict().get(name, "") for name in COLUMNS] for one in found)
    elif single and found[0].verdict:
        print(found[0])
    elif not single:
        width = max(len(one.file) for one in found)
        for one in found:
            print(f"{one.file:<{width}}  {one.said.partition(chr(10))[0]}")
    for one in found:
        if one.error:
            _say(f"error: {one.error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m counting", description="Small recurrent networks and brackets.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    certify = commands.add_parser(
        "certify",
        help="decide whether a network is right on every Dyck-1 word",
        description="Decide whether a recurrent network of hidden size 1 is right on every Dyck-1 word up to "
        "a length, in its own floating-point arithmetic, or give a word on which it fails.",
        epilog="Exit code: 0 proved, 1 refuted, 2 bad input or no verdict, 3 undecided; of several files the worst.",
    )
    certify.set_defaults(run=_certify)
    certify.add_argument("file", metavar="FILE", nargs="+", help=_FILE)
    certify.add_argument(
        "--max-length",
        type=_length,
        default=MAX_LENGTH,
        metavar="N",
        help=f"symbols of the longest word (default: {MAX_LENGTH}); 'any' for any, to depth {certificate.MAX_DEPTH:,}",
    )
    certify.add_argument(
        "--language",
        default="dyck-1",
        help="dyck-1 (default); of several units shuffle-2 to shuffle-6, anbn, anbncn or anbncndn, of any length",
    )
    _add_reading(certify)
    form = certify.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print a table of comma-separated values, one file a row")
    show = commands.add_parser(
        "show",
        help="draw a network along a word, or open the lab on it",
        description="Draw state, gates and outputs of a network along a word and against its depth, the first "
        "wrong step marked; or write one HTML page, which needs nothing else, with the counter lab opened on it.",
    )
    show.set_defaults(run=_show, language="dyck-1")
    show.add_argument("file", metavar="FILE", help=_FILE)
    which = show.add_mutually_exclusive_group()
    which.add_argument("word", metavar="WORD", nargs="?", help="brackets, such as '(()())'")
    which.add_argument("--shortest", action="store_true", help="the shortest word on which it fails (default)")
    show.add_argument("--html", action="store_true", help="a page with the lab, in place of a picture")
    show.add_argument(
        "--output", metavar="PATH", help="what is written, .svg, .png or .html (default: FILE's name.svg)"
    )
    _add_reading(show)
    return parser


_FILE = "safetensors, .npz, or a state_dict written by torch.save"


def _add_reading(command: argparse.ArgumentParser) -> None:
    """Add the options for what a file does not say: `modelfile.Options`."""
    command.add_argument(
        "--nonlinearity",
        choices=("relu", "tanh"),
        help="of a plain RNN, which its state_dict does not say (default: relu)",
    )
    command.add_argument(
        "--symbols",
        help="the input's columns, such as ')(' (default: '()'); ^ for a symbol that begins words, $ for one that is "
        "read only after them",
    )
    command.add_argument(
        "--outputs",
        help="which symbol each output allows, $ that the word may end: such as ')(', '()$', '$' (default: '()', of a "
        "single one ')')",
    )
    command.add_argument(
        "--decide",
        choices=("sigmoid", "argmax"),
        default="sigmoid",
        help="each output for itself (default), or the larger of two that exclude each other, --outputs ')$' or '$)'",
    )
    command.add_argument("--threshold", type=float, default=0.5, help="least sigmoid that says yes (default: 0.5)")
    command.add_argument("--prefix", default="", help="look only at tensors whose names begin so, such as ema.")


def _length(text: str) -> int | None:
    if text == "any":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no length: a whole number from 2 on, or 'any'")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
