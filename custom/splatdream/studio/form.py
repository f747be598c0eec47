"""The part of the page where a run is ordered: prompt, configuration, method, prior, and the settings of each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..runner.request import RunRequest
from .orders import (
    Offer,
    Setting,
    config_names,
    method_names,
    method_settings,
    offer,
    ordered,
    prior_names,
)

_NO_METHOD = "(none)"
_LARGEST_SEED, _MOST_STEPS = 2**32 - 1, 1_000_000


class OrderForm:
    """
    Args:
        gui: viser's.
        config: the configuration that stands there first: a file, or the name of a shipped one.
        prompt: likewise; empty for the configuration's.
        config_of_prior: which configuration goes with a prior that is chosen.
        guarded: makes of an action one whose errors the page says.

    Raises:
        FileNotFoundError, ValueError: as `offer`.
    """

    def __init__(
        self,
        gui: Any,
        config: str,
        prompt: str,
        config_of_prior: Callable[[str], str],
        guarded: Callable[[Callable[[], None]], None],
    ) -> None:
        self._gui, self._config_of_prior, self._guarded = gui, config_of_prior, guarded
        first = self._offer = offer(config)
        self._prompt = gui.add_text("Prompt", prompt or first.prompt, multiline=True)
        self._config = gui.add_dropdown("Configuration", _with(config, config_names()), initial_value=config)
        self._prior = gui.add_dropdown(
            "Prior", _with(self._offer.prior, prior_names()), initial_value=self._offer.prior
        )
        self._method = gui.add_dropdown(
            "Method", [*method_names(), _NO_METHOD], initial_value=self._offer.method or _NO_METHOD
        )
        self._steps = gui.add_number("Steps", first.steps, min=1, max=_MOST_STEPS, step=1)
        self._seed = gui.add_number("Seed", first.seed, min=0, max=_LARGEST_SEED, step=1)
        self._settings_place = gui.add_folder("Settings", expand_by_default=False)
        with self._settings_place:
            self._further = gui.add_text("Further", "", multiline=True, hint="key=value, a line each")
        self._folders: list[Any] = []
        self._texts: dict[str, Any] = {}
        self._show_settings()
        self._config.on_update(self._by_hand(self._take_config))
        self._prior.on_update(self._by_hand(self._take_prior))
        self._method.on_update(self._by_hand(self._show_settings))

    def request(self) -> RunRequest:
        """What stands there. Raises FileNotFoundError where the configuration has gone meanwhile."""
        return ordered(
            self._offer,
            self._prompt.value.strip(),
            "" if self._method.value == _NO_METHOD else self._method.value,
            self._prior.value,
            int(self._steps.value),
            int(self._seed.value),
            {key: handle.value for key, handle in self._texts.items()},
            self._further.value,
        )

    def _by_hand(self, action: Callable[[], None]) -> Callable[[Any], None]:
        """For what a person changed, not this form."""
        return lambda event: self._guarded(action) if event.client is not None else None

    def _take_config(self) -> None:
        self._take(offer(self._config.value))
        self._prior.value = self._offer.prior

    def _take_prior(self) -> None:
        if self._prior.value != self._offer.prior:
            self._take(offer(self._config_of_prior(self._prior.value)))

    def _take(self, new: Offer) -> None:
        """A prompt that was typed stays."""
        if self._prompt.value == self._offer.prompt:
            self._prompt.value = new.prompt
        self._offer = new
        self._config.options = _with(new.config, config_names())
        self._config.value = new.config
        self._prior.options = _with(new.prior, _with(self._prior.value, prior_names()))
        self._method.value = new.method or _NO_METHOD
        self._steps.value, self._seed.value = new.steps, new.seed
        self._show_settings()

    def _show_settings(self) -> None:
        for folder in self._folders:
            folder.remove()
        method = self._method.value
        parts: Mapping[str, Sequence[Setting]] = {
            f"Options of {method}": method_settings(method),
            "Guidance": self._offer.guidance,
            f"Prior ({self._offer.prior})": self._offer.of_prior,
        }
        self._texts = {}
        with self._settings_place:
            self._folders = [self._part(label, settings) for label, settings in parts.items() if settings]

    def _part(self, label: str, settings: Sequence[Setting]) -> Any:
        folder = self._gui.add_folder(label, expand_by_default=False)
        with folder:
            for each in settings:
                name = each.key.rpartition(".")[2]
                self._texts[each.key] = self._gui.add_text(name, each.text, hint=each.meaning or None)
        return folder


def _with(name: str, names: Sequence[str]) -> list[str]:
    """The names, that one among them."""
    return list(names) if name in names else [name, *names]
