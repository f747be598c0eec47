"""Threads for kernels that release the GIL. As many as torch has been given, and never torch's own.

OpenMP runtimes (torch's and Numba's) keep spinning for a while after each call and would take the cores from each
other; a plain pool that sleeps between calls does not.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

PIECES_PER_THREAD = 4  # more pieces than threads, because pieces differ in work


@lru_cache(maxsize=1)
def _pool(num_workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(num_workers, thread_name_prefix="splatdream-rasterizer")


def run_in_ranges(work: Callable[[int, int], None], num_tasks: int, min_tasks: int = 1) -> None:
    """Calls work(first, last) so that the ranges cover 0..num_tasks, on `torch.get_num_threads()` threads.

    The results must not depend on how the tasks are cut. An exception in any range is raised here.

    Args:
        min_tasks: fewer tasks than this are not worth waking a thread.
    """
    num_threads = min(torch.get_num_threads(), max(num_tasks // max(min_tasks, 1), 1))
    if num_threads == 1:
        work(0, num_tasks)
        return
    pieces = min(num_threads * PIECES_PER_THREAD, num_tasks)
    bounds = [num_tasks * piece // pieces for piece in range(pieces + 1)]
    counter = itertools.count()  # next() is atomic: pieces go to whichever thread is free

    def take_pieces() -> None:
        while (piece := next(counter)) < pieces:
            work(bounds[piece], bounds[piece + 1])

    pool = _pool(torch.get_num_threads() - 1)
    others = [pool.submit(take_pieces) for _ in range(num_threads - 1)]
    try:
        take_pieces()
    finally:
        for future in others:
            # A thread that has not even begun (the cores are busy with something else) is not waited for.
            if not future.cancel():
                future.result()
