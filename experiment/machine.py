"""This process on this machine: quiet, with threads that wait asleep and memory that is kept."""

import ctypes
import os
import sys
import warnings


def quieten():
    """Before torch is loaded: no warnings that a user can do nothing about; threads sleep while they wait (spinning
    is several times slower beside any other busy program); memory is kept between steps (glibc)."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.filterwarnings("ignore", message=".*torch.jit.*")
    warnings.filterwarnings("ignore", message=".*(GradScaler|lr_scheduler).*")
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    keep = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if keep:
        keep(-3, 2**30)  # M_MMAP_THRESHOLD: large tensors from the heap
        keep(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: and the heap kept
