"""How torch's OpenMP threads wait. To be called before torch is imported: OpenMP reads its settings once."""

import os


def wait_without_spinning() -> None:
    """Lets idle threads sleep. By default they spin, and a step of many small tensors then takes ten times longer.

    That happens as soon as anything else wants a core; on an idle machine the difference is small. What the user has
    set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
