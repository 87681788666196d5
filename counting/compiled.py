"""Compiled kernels: by which code they are kept on disk, and where; and what they are linked from."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

from counting import files, sources

_config: Any = numba.config  # whose names Numba sets while it is imported

ROOM = 2**24
"""Free bytes, several times what all kernels take, without which none is kept."""

_keeping = False


@contextlib.contextmanager
def kept_by(module: str) -> Iterator[None]:
    """Keep kernels defined inside this context in a folder named by the digest of this module and all it imports.

    Numba itself looks only at the file of the kernel, and would keep one whose inlined parts have changed. It asks for
    the folder when a kernel is defined, so other users of Numba keep theirs. Where the folder, in NUMBA_CACHE_DIR or
    else the user's cache, cannot be written, kernels are compiled and not kept.
    Raises ImportError where Numba is told not to compile.
    """
    global _keeping
    if _config.DISABLE_JIT:
        raise ImportError("counting computes in compiled kernels, and NUMBA_DISABLE_JIT forbids them: unset it")
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or files.cache_folder())
    folder = base / sources.digest(f"import {module}")[:16]
    before = _keeping, _config.CACHE_DIR
    _keeping, _config.CACHE_DIR = _writable(folder), str(folder)
    try:
        yield
    finally:
        _keeping, _config.CACHE_DIR = before


def keeping() -> bool:
    """Tell whether a kernel that is defined now can be kept: Numba's option `cache`."""
    return _keeping


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            if shutil.disk_usage(folder).free >= ROOM:
                return True
        reason = "the disk is full"
    except OSError as error:
        reason = error.strerror or str(error)
    files.say_not_kept("compiled kernels are", folder.parent, reason)
    return False


def linkable(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate what only compiled code calls; Python runs it as the Python that it is.

    Numba would make machine code of each, and two ways in, from Python and from C: half of all that there is to do.
    options: as for `numba.njit`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        njit: Any = numba.njit
        compiled = njit(pipeline_class=_ToLink, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
        compiled._insert = lambda *_: None
        compiled._compile_for_args = lambda *_: function
        return compiled

    return decorate


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    """Lower as Numba does, to a library that others link, and end there."""

    _name = "lowering_to_link"

    def run_pass(self, state: Any) -> bool:
        """Do it."""
        library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
        library._finalize_final_module = lambda: setattr(library, "_finalized", True)
        state.library, state.flags.no_compile = library, True
        super().run_pass(state)
        state.cr = state.cr._replace(cfunc=object())  # by which callers find it
        state.targetctx.insert_user_function(state.cr.cfunc, state.cr.fndesc, [library])
        return True


class _ToLink(CompilerBase):
    """Numba's passes with `_Lowering` for its own."""

    def define_pipelines(self) -> list[Any]:
        """List them."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes._finalized = False
        passes.passes = [(_Lowering if step is NativeLowering else step, why) for step, why in passes.passes]
        passes.finalize()
        return [passes]
