"""The command: `python -m counting certify FILE`.

Exit code: 0 proved · 1 refuted · 2 bad input · 3 undecided.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from counting import certificate, modelfile

EXIT = {"proved": 0, "refuted": 1, "undecided": 3}
BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. argparse itself exits with 2."""
    options = _parser().parse_args(arguments)
    try:
        verdict = certificate.certify(modelfile.load(options.file), options.max_length)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(json.dumps(verdict.to_dict(), indent=2) if options.json else verdict)
    return EXIT[verdict.verdict]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m counting", description="Small recurrent networks and brackets."
    )
    certify = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "certify",
        help="decide whether a network is right on every Dyck-1 word",
        description="Decide whether a recurrent network of hidden size 1 is right on every Dyck-1 word up to "
        "a length, in its own floating-point arithmetic, or give a word on which it fails.",
        epilog="Exit code: 0 proved, 1 refuted, 2 bad input, 3 undecided.",
    )
    certify.add_argument("file", metavar="FILE", help="safetensors, or a state_dict written by torch.save")
    certify.add_argument(
        "--max-length",
        type=_length,
        default=1000,
        metavar="N",
        help="symbols of the longest word (default: 1000); 'any' for any length, to depth "
        f"{certificate.MAX_DEPTH:,}",
    )
    certify.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _length(text: str) -> int | None:
    if text == "any":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no length: a whole number from 2 on, or 'any'")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
