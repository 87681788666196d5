"""What a new run of a notebook gave that its committed outputs do not show."""

from __future__ import annotations

import base64
import difflib
import io
import os
from collections.abc import Iterator
from itertools import zip_longest

import numpy as np
from nbformat import NotebookNode
from PIL import Image

from counting.figures.style import SVG
from pipeline.notebooks import STAMP, VARIES, code_cells, tags

# Text and numbers must agree byte for byte, and so do figures where the processor does the same arithmetic.
# Where its sums round otherwise, anti-aliased edges move by a level or two of 255. A changed digit, point
# or bar changes some pixels by far more, so the bound holds for every single pixel and not on average.
PIXEL_LEVELS = 8

_LINES_SHOWN = 12
_WIDTH_SHOWN = 160


def differences(committed: NotebookNode, executed: NotebookNode) -> list[str]:
    """One readable paragraph for each difference, [] if there is none. Both notebooks normalized.

    Cells tagged `varies` are left out.
    """
    found = list(_stamps(committed.metadata.get(STAMP), executed.metadata[STAMP]))
    for before, after in zip_longest(code_cells(committed), code_cells(executed)):
        if before is None or after is None:
            found.append("the notebooks have different numbers of code cells")
            break
        if VARIES not in tags(after):
            number = executed.cells.index(after) + 1
            first_line = (after.source.strip().splitlines() or [""])[0]
            changes = _outputs(before.outputs, after.outputs)
            found += [f"cell {number} ({first_line}): {change}" for change in changes]
    return found


def _stamps(before: dict | None, after: dict) -> Iterator[str]:
    if before is None:
        yield "it was never executed by the pipeline (no stamp)"
        return
    for key in after:
        if before.get(key) != after[key]:
            yield f"stamp: {key} was {before.get(key)}, is {after[key]}"


def _outputs(before: list[NotebookNode], after: list[NotebookNode]) -> Iterator[str]:
    if len(before) != len(after):
        yield f"{len(before)} outputs committed, {len(after)} now"
    for number, (old, new) in enumerate(zip(before, after, strict=False), 1):
        old_parts, new_parts = _parts(old), _parts(new)
        for kind in sorted(old_parts.keys() | new_parts.keys()):
            if kind not in old_parts:
                yield f"output {number}, {kind}: only now"
            elif kind not in new_parts:
                yield f"output {number}, {kind}: only in the committed one"
            elif what := _unequal(kind, old_parts[kind], new_parts[kind]):
                yield f"output {number}, {kind}: {what}"


def _parts(output: NotebookNode) -> dict[str, str]:
    """Return what an output shows, by MIME type (or the stream's name), as text; with the name of a glued value."""
    if output.output_type == "stream":
        return {output.name: output.text}
    if output.output_type == "error":
        return {"error": f"{output.ename}: {output.evalue}"}
    parts = {kind: value if isinstance(value, str) else repr(value) for kind, value in output.data.items()}
    parts.pop(SVG, None)  # the same figure as its pixels, which are compared
    if "scrapbook" in output.metadata:
        parts["glued as"] = output.metadata["scrapbook"]["name"]
    return parts


def _unequal(kind: str, before: str, after: str) -> str | None:
    if before == after:
        return None
    if kind == "image/png":
        return _unequal_pixels(before, after)
    old, new = before.splitlines(), after.splitlines()
    if len(old) == len(new) == 1:
        committed, now = _around_change(old[0], new[0]), _around_change(new[0], old[0])
        return f"\n    committed: {committed}\n    now:       {now}"
    changed = [line for line in difflib.unified_diff(old, new, lineterm="", n=0) if line[:2] != "@@"][2:]
    more = [f"… and {len(changed) - _LINES_SHOWN} lines more"] if len(changed) > _LINES_SHOWN else []
    lines = [line[:_WIDTH_SHOWN] for line in changed[:_LINES_SHOWN]] + more
    return "\n    " + "\n    ".join(["committed -, now +:", *lines])


def _around_change(text: str, other: str) -> str:
    """Return the part of one long line where it begins to differ from another."""
    start = max(0, len(os.path.commonprefix([text, other])) - 40)
    piece = text[start:start + _WIDTH_SHOWN]
    return ("…" if start else "") + piece + ("…" if start + len(piece) < len(text) else "")


def _unequal_pixels(before: str, after: str) -> str | None:
    old, new = _pixels(before), _pixels(after)
    if old.shape != new.shape:
        return f"{old.shape[1]} × {old.shape[0]} pixels committed, {new.shape[1]} × {new.shape[0]} now"
    off = np.abs(old - new).max(axis=2)
    if off.max() <= PIXEL_LEVELS:
        return None
    rows, columns = np.nonzero(off > PIXEL_LEVELS)
    return (
        f"{rows.size} of {off.size} pixels differ, by up to {off.max()} of 255, "
        f"in rows {rows.min()}–{rows.max()}, columns {columns.min()}–{columns.max()}"
    )


def _pixels(png: str) -> np.ndarray:
    """Return a base64 PNG as int16 (height, width, 4)."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return np.asarray(image.convert("RGBA"), dtype=np.int16)
