"""Keep freed memory in the process: each batch frees and asks for the same large blocks again.

glibc gives large blocks back to the kernel at once, and on virtual machines taking them anew (page
faults) was measured at about 10 % of the engine's time on a CPU, and more of a training step's.
"""

import ctypes

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Tell the C library's allocator to hold on to what is freed; False where it isn't glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**28))
    return all(mallopt(name, value) == 1 for name, value in settings)
