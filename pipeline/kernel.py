"""The kernel that runs the chapters: this environment's Python with this checkout's library, whoever starts it.

A kernel called `python3` may be another environment's, and a user's settings of IPython, matplotlib and Python would
change the pages.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from pipeline.notebooks import ROOT

SETTINGS = "CHAPTER_SETTINGS"
"""Names the folder where a kernel finds its settings: an empty one, so that none of the user's count."""


class Kernel(AsyncKernelManager):
    """Starts this Python, whatever kernel has the name that is asked for."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """What is started, and with which variables of the environment."""
        folder = Path(os.environ[SETTINGS])
        (folder / "matplotlibrc").touch()
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
            interrupt_mode="signal",
            env={
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "",
                "PYTHONOPTIMIZE": "",
                "PYTHONUTF8": "1",
                "IPYTHONDIR": str(folder),
                "MATPLOTLIBRC": str(folder / "matplotlibrc"),
                "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            },
        )
