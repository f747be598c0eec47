"""Workers on Ray: on this machine, or on those of a cluster that share the study's folder."""

import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..runner.execution import InProcess
from .cells import Cell, Study
from .claims import claim
from .progress import Progress
from .records import Record, claim_path, settled
from .work import settle
from .worker_environment import worker_environment

_POLL_S = 0.3
_MAX_ATTEMPTS = 3
"""Of a cell whose worker dies each time."""


def ray_workers(address: str, workers: int, gpus: float) -> Callable[[Study, Path, Progress], None]:
    """Who makes the cells of a study: workers that keep their priors loaded, each an actor.

    Args:
        address: of a cluster; empty starts Ray on this machine for as long as this takes.
        workers: how many.
        gpus: that each of them holds; a part of one lets several share it.

    Raises:
        ModuleNotFoundError: Ray is not installed.
        ValueError: there cannot be so many.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"--ray needs ray; pip install ray==2.60.0 ({error})") from error
    if workers < 1 or gpus < 0:
        raise ValueError(f"--workers {workers} and --gpus {gpus} must be at least 1 and 0")

    def make(study: Study, folder: Path, progress: Progress) -> None:
        _connect(address, workers)
        try:
            _Drive(study, folder, progress, workers, gpus).run()
        finally:
            ray.shutdown()

    return make


def _connect(address: str, workers: int) -> None:
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    local = {} if address else {"num_cpus": workers, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="error", **local)
    except ConnectionError as error:
        raise ConnectionError(f"there is no Ray at {address}: {error}; start it, or leave the address out") from error


class _Maker:
    """An actor."""

    def __init__(self) -> None:
        self._execute = InProcess()

    def settle(self, study: Study, folder: Path) -> bool:
        """Whether the one cell of the study is settled now; else another worker has what it needs."""
        if not (folder / "study.json").is_file():
            host = socket.gethostname()
            raise FileNotFoundError(f"the worker on {host} does not see {folder}; a cluster's machines must share it")
        return settle(study.cells[0], study, folder, self._execute)


class _Drive:
    """Gives cells to actors, and those of a dead one to another."""

    def __init__(self, study: Study, folder: Path, progress: Progress, workers: int, gpus: float) -> None:
        import ray

        self._ray, self._study, self._folder, self._progress = ray, study, folder, progress
        self._left = deque(cell for cell in study.cells if settled(folder, cell, study.measures) is None)
        self._workers = min(workers, len(self._left))
        environment = {"env_vars": worker_environment(workers)}
        self._maker = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, runtime_env=environment)(_Maker)
        self._making: dict[Any, tuple[Any, Cell]] = {}
        self._deaths: Counter[str] = Counter()

    def run(self) -> None:
        """Returns when every cell is settled."""
        idle = [self._maker.remote() for _ in range(self._workers)]
        while self._left or self._making:
            while idle and self._left:
                self._give(idle.pop(), self._left.popleft())
            ended, _ = self._ray.wait(list(self._making), timeout=_POLL_S)
            self._progress.look()
            idle += [self._taken_back(reference) for reference in ended]

    def _give(self, maker: Any, cell: Cell) -> None:
        one = replace(self._study, cells=[cell], settings={}, tuning=None)
        self._making[maker.settle.remote(one, self._folder)] = maker, cell

    def _taken_back(self, reference: Any) -> Any:
        """The actor that is free again, or another one in the place of one that died."""
        maker, cell = self._making.pop(reference)
        try:
            if not self._ray.get(reference):
                self._left.append(cell)
                time.sleep(_POLL_S)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self._ray.exceptions.RayError as error:
            self._ray.kill(maker)
            self._again(cell, error)
            return self._maker.remote()
        return maker

    def _again(self, cell: Cell, error: Exception) -> None:
        self._deaths[cell.key] += 1
        if self._deaths[cell.key] < _MAX_ATTEMPTS:
            self._left.appendleft(cell)
            return
        with claim(claim_path(self._folder, cell.key), cell.key) as is_free:
            if is_free and settled(self._folder, cell, self._study.measures) is None:
                reason = " ".join(str(error).split())
                Record(cell.key, f"its Ray worker died {_MAX_ATTEMPTS} times: {reason}").write(self._folder)
