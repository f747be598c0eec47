"""What a run is asked to make."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..startup.configuration import ConfigReader, resolved_configuration
from ..startup.host_choice import chosen_host

PROMPT = "system.prompt_processor.prompt"
_TO_THE_LETTER = (PROMPT, "exp_root_dir", "name", "tag")
"""Of the keys that are set here those whose values the embedded host does not read as YAML."""

NOT_RESULTS: Mapping[str, str] = {
    "name": "part of the folder's name",
    "tag": "part of the folder's name",
    "description": "a note",
    "exp_root_dir": "where the folder is",
    "exp_dir": "computed from the above",
    "trial_name": "computed from the above",
    "trial_dir": "computed from the above",
    "use_timestamp": "part of the folder's name",
    "timestamp": "part of the folder's name",
    "n_gpus": "set by the host, always one",
    "system.loggers": "where curves are sent",
    "system.live_view_port": "a page to watch the run on",
    "trainer.enable_progress_bar": "what the terminal shows",
    "trainer.enable_model_summary": "what the terminal shows",
    "trainer.log_every_n_steps": "how fine the logged curves are",
}
"""Keys that do not change what a run makes, each with what it is instead."""


def setting(key: str, text: str) -> str:
    """`key=text` for a command line, the text taken as it is, whatever YAML would read in it.

    Raises:
        ValueError: the text holds the beginning of an interpolation, which a host would resolve.
    """
    is_plain = key in _TO_THE_LETTER and chosen_host() == "embedded"
    if "${" in text and not (is_plain and key == PROMPT):
        raise ValueError(f"{key} is {text!r}, but '${{' begins an interpolation; write it without")
    return f"{key}={text}" if is_plain else f"{key}={json.dumps(text, ensure_ascii=False)}"


@dataclass(frozen=True)
class RunRequest:
    """One training run. Where its results go is no part of it."""

    config: str
    """YAML."""
    overrides: Sequence[str] = ()
    """Changes to it, dotted.key=value; they win over the prompt."""
    prompt: str | None = None
    """A text, taken as it is; None leaves that of the YAML."""
    label: str = "run"
    """What people call it; part of its folder's name."""

    def settings(self) -> list[str]:
        """All changes to the YAML."""
        return [*([] if self.prompt is None else [setting(PROMPT, self.prompt)]), *self.overrides]

    def configuration(self, reader: ConfigReader | None = None) -> dict[str, Any]:
        """The whole configuration, resolved, without what is not about results (`NOT_RESULTS`).

        Args:
            reader: see `resolved_configuration`.

        Raises:
            FileNotFoundError, ValueError: as `resolved_configuration`.
        """
        configuration = resolved_configuration(self.config, self.settings(), reader)
        for key in NOT_RESULTS:
            *path, last = key.split(".")
            node = configuration
            for part in path:
                node = node.get(part) or {}
            node.pop(last, None)
        return configuration
