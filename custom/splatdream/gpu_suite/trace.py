"""What torch's profiler saw of a step: how busy the device was, and what the host waited for."""

import time
from collections.abc import Callable

import torch
from torch.autograd import DeviceType

_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def trace(call: Callable[[], object], device: torch.device, steps: int) -> dict[str, float]:
    """Of one call: kernels, copies each way, synchronizations, and the share of the time in which no kernel ran.

    The profiler's own final synchronization is left out. Without a GPU all of it is 0.
    """
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
        torch.cuda.synchronize()
    with torch.profiler.profile(activities=activities) as profile:
        started = time.perf_counter()
        for _ in range(steps):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    events = profile.events()
    on_device = [event for event in events if event.device_type == DeviceType.CUDA]
    waits = sum(event.name.startswith(_WAITS) for event in events) - (device.type == "cuda")
    return {
        "kernels": len(on_device) / steps,
        "copies_to_device": sum("HtoD" in event.name for event in on_device) / steps,
        "copies_to_host": sum("DtoH" in event.name for event in on_device) / steps,
        "synchronizations": waits / steps,
        "idle_share": 1 - _busy_seconds(on_device) / seconds if on_device else 0.0,
        "profiled_seconds": seconds / steps,
    }


def _busy_seconds(events: list) -> float:
    """Length of the union of the events' intervals."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted((event.time_range.start, event.time_range.end) for event in events):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total / 1e6
