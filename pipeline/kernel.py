"""The kernel that runs the chapters: this environment's Python with this checkout's library, whoever starts it.

A kernel called `python3` may be another environment's, and a user's settings of IPython, matplotlib and Python would
change the pages.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from pipeline.notebooks import ROOT


def manager(settings: Path) -> type[AsyncKernelManager]:
    """Make the class that starts this Python, whatever kernel has the name that is asked for.

    settings: an empty folder, where the kernel looks for IPython's and matplotlib's, so that none of the user's count.
    """
    (settings / "matplotlibrc").touch()
    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3",
        language="python",
        interrupt_mode="signal",
        env={
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "",
            "PYTHONOPTIMIZE": "",
            "PYTHONUTF8": "1",
            "IPYTHONDIR": str(settings),
            "MATPLOTLIBRC": str(settings / "matplotlibrc"),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        },
    )

    class Kernel(AsyncKernelManager):
        kernel_spec = spec

    return Kernel
