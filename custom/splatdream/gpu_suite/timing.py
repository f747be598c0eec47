"""Times of calls on a device: of their work, and of the host that only hands it over."""

import statistics
import time
from collections.abc import Callable

import torch


def synchronize(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def seconds_of(call: Callable[[], object], device: torch.device | str) -> float:
    """From an idle device to an idle device."""
    synchronize(device)
    started = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - started


def median_seconds(call: Callable[[], object], device: torch.device | str, repeats: int) -> float:
    """After one call that is not counted."""
    call()
    return statistics.median(seconds_of(call, device) for _ in range(repeats))


def host_seconds(call: Callable[[], object], device: torch.device | str, repeats: int) -> float:
    """Median time until the call returns, the device idle at its start: what the host spends on it."""
    times = []
    for _ in range(repeats):
        synchronize(device)
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    synchronize(device)
    return statistics.median(times)
