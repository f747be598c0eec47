"""Files that cannot fit into memory are refused before they are read."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def free_bytes() -> int:
    """Memory that this process can still take without swapping: of the machine, and of its container (cgroup v2)."""
    import psutil

    free = psutil.virtual_memory().available
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        free = min(free, limit - int((_CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        pass  # no such container, or one without a limit, which says "max"
    return max(free, 0)


def require_free_memory(needed: int, what: str, remedy: str) -> None:
    """Does nothing when `needed` bytes are free.

    Raises:
        ValueError: they are not; names what needs them, and the remedy.
    """
    free = free_bytes()
    if needed > free:
        raise ValueError(
            f"{what} needs about {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free; {remedy}"
        )
