"""A prior that stays loaded from one run of a process to the next."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

from .base import DiffusionPrior
from .content import json_sha256

Prior = TypeVar("Prior", bound=DiffusionPrior)


class KeptPrior:
    """Room for one prior, the last that was loaded: a second one may be more than a device has memory for."""

    def __init__(self) -> None:
        self._key = ""
        self._prior: DiffusionPrior | None = None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within the block, loading what is kept costs nothing."""
        token = _kept.set(self)
        try:
            yield
        finally:
            _kept.reset(token)

    def prior(self, key: str, load: Callable[[], Prior]) -> Prior:
        if self._prior is None or key != self._key:
            self._prior = None  # gives its memory back before the next one asks for it
            self._prior, self._key = load(), key
        return self._prior


_kept: ContextVar[KeptPrior | None] = ContextVar("kept", default=None)


def kept_or_loaded(content: Callable[[], Mapping[str, object]], load: Callable[..., Prior], **options: object) -> Prior:
    """The kept prior of that content where one is kept, else what `load` makes of the options."""
    kept = _kept.get()
    return load(**options) if kept is None else kept.prior(json_sha256(content()), partial(load, **options))
