"""How the CPU kernels are compiled, and the arithmetic they share.

Kernels work on LANES pixels or LANES Gaussians at once. Compositing has a type for that (numba_vectors.py). Elsewhere
the innermost loop runs over exactly LANES elements without a branch, and LLVM turns it into vector instructions of
whatever width the machine has. Computed indices into arrays are unsigned there, because for a signed index Numba adds a
test for a negative one, which would be a branch.
"""

import math
import sys

import numpy as np
from llvmlite import binding as llvm
from numba import __version__ as version
from numba import config, njit
from numba.core.codegen import get_host_cpu_features

LANES = 16
"""Elements of an innermost loop: one AVX-512 register of float32, two of AVX2."""

# LLVM uses only half of the AVX-512 registers on most of Intel's processors, for fear of lower clocks. That takes 1.03
# to 1.05 times as long on Zen 4. Numba fixes what it compiles for when it meets the first kernel, hence here; whoever
# has set these himself keeps what he set.
if config.CPU_NAME is None and config.CPU_FEATURES is None and llvm.get_host_cpu_features().get("avx512f"):
    config.CPU_NAME, config.CPU_FEATURES = llvm.get_host_cpu_name(), get_host_cpu_features() + ",-prefer-256-bit"

# Of fast math only fused multiply-add: the rest would break the rounding trick of exp2.
JIT_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def compiled_for() -> str:
    """The kind of processor that the kernels are compiled for, the width of its registers, and the lanes."""
    features = (config.CPU_FEATURES or get_host_cpu_features()).split(",")
    bits = 256 if "+avx" in features else 128
    if "+avx512f" in features and "+prefer-256-bit" not in features:
        bits = 512
    return f"{config.CPU_NAME or llvm.get_host_cpu_name()}, {bits}-bit vectors, {LANES} lanes"


def target() -> str:
    """What decides, beside the sources, whether compiled kernels fit: the processor's features, Numba's version."""
    features = config.CPU_FEATURES or get_host_cpu_features()
    return f"{config.CPU_NAME or llvm.get_host_cpu_name()} {features} numba {version} {sys.implementation.cache_tag}"


LOG2_E = math.log2(math.e)

# 2^f on [-0.5, 0.5] by a polynomial of degree 5, fitted for the smallest relative error.
EXP2_COEFFICIENTS = tuple(
    float(np.float32(c)) for c in (1.0000001, 0.69314694, 0.2402212, 0.05550713, 0.009675541, 0.0013276472)
)
ROUNDING = 1.5 * 2**23
"""Adding it rounds a float32 to an integer, kept in the low bits."""


@njit(inline="always", **JIT_OPTIONS)
def aligned_floats(size):
    """An uninitialized float32 array that begins at a cache line, so that no row of LANES straddles two."""
    array = np.empty(size + LANES, np.float32)
    skip = (-array.ctypes.data % 64) // 4
    return array[skip : skip + size]
