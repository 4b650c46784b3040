"""One allocator setting for every contender: freed memory is kept, as in a process that has run for a while.

glibc gives large blocks back to the kernel when they are freed, and the next call pays a page fault for every 4 KiB
of them. On a virtual machine that is most of the time of a memory-bound operator, ours or a peer's, and whether it
happens depends on what else was allocated before. `keep_memory` starts the process again with the setting below.
"""

from __future__ import annotations

import os
import sys

SETTING = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 33),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
DEFAULT = "DECONVJAX_BENCH_ALLOCATOR"  # "default": measure with the allocator as it comes


def keep_memory() -> None:
    """Run this program again under SETTING, once; a no-op away from Linux."""
    if not sys.platform.startswith("linux") or os.environ.get(DEFAULT) == "default":
        return
    if any(os.environ.get(name) != value for name, value in SETTING.items()):
        os.environ.update(SETTING)
        os.execv(sys.executable, sys.orig_argv)


def described() -> str:
    """The setting in force, for the tables."""
    kept = all(os.environ.get(name) == value for name, value in SETTING.items())
    return "keeps freed memory" if kept else "default"
