"""The picture that the README shows: the figure of the first page, taken from its committed outputs.

`make book ACCEPT=1` takes it again whenever that page is accepted; `python -m pipeline.picture` does so alone.
"""

from __future__ import annotations

import base64
from pathlib import Path

from pipeline import notebooks

SOURCE = notebooks.ROOT / "book" / "index.ipynb"
FIGURE = "fig-finding"
PICTURE = notebooks.ROOT / "book" / "_static" / "finding.png"


def figure(path: Path, name: str) -> bytes:
    """Read the PNG of the figure `name` from the outputs of the notebook at `path`; ValueError if it has none."""
    for cell in notebooks.code_cells(notebooks.read(path)):
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") != name:
            continue
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output["data"]["image/png"])
    raise ValueError(f"{path.name} has no executed figure {name!r}")


def take() -> None:
    """Write the picture, if it is another than what is there."""
    new = figure(SOURCE, FIGURE)
    if not PICTURE.exists() or PICTURE.read_bytes() != new:
        PICTURE.write_bytes(new)


if __name__ == "__main__":
    take()
