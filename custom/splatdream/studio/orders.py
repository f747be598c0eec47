"""What can be ordered, from the registries: configurations, methods, priors, and the settings of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from ..guidance.methods.registry import METHODS
from ..host import find
from ..options.field_lines import field_lines
from ..priors.model_ids import ALIASES, PACKAGED
from ..runner.request import RunRequest
from ..startup.configuration import resolved_configuration
from ..startup.registration import register_all
from ..startup.shipped import find_config, shipped_configs
from .steering import with_saved_steps

CLOSED_FORM = "closed-form"
_OWN = ("method", "method_options", "prior_type", "prior", "model")
"""Fields that have a place of their own on the page."""
_NOT_FROM_TEXT = ("zero123", "shap-e")
_SAVED = 10
"""Steps that a run saves, if nothing else is asked for."""


@dataclass(frozen=True)
class Setting:
    """One key of a configuration."""

    key: str
    text: str
    """Its value as it would be typed."""
    meaning: str


@dataclass(frozen=True)
class Offer:
    """A configuration, with what of it can be changed on a page."""

    config: str
    prompt: str
    method: str
    """Empty where the guidance has no methods."""
    prior: str
    steps: int
    seed: int
    guidance: Sequence[Setting]
    of_prior: Sequence[Setting]


def config_names() -> list[str]:
    return list(shipped_configs())


def method_names() -> list[str]:
    return list(METHODS)


def prior_names() -> list[str]:
    """Of priors that are told texts."""
    return [CLOSED_FORM, *PACKAGED, *(name for name in ALIASES if not any(word in name for word in _NOT_FROM_TEXT))]


def offer(config: str) -> Offer:
    """
    Args:
        config: a file, or the name of a shipped one.

    Raises:
        FileNotFoundError: there is no such configuration.
        ValueError: it cannot be read.
    """
    register_all()
    configuration = resolved_configuration(find_config(config))
    system = configuration["system"]
    guidance = system.get("guidance") or {}
    guiding = find(system["guidance_type"]).Config
    prior_type = guidance.get("prior_type", getattr(guiding, "prior_type", ""))
    prior = guidance.get("prior") or {}
    return Offer(
        config=config,
        prompt=str((system.get("prompt_processor") or {}).get("prompt", "")),
        method=str(guidance.get("method", getattr(guiding, "method", ""))),
        prior=str(prior.get("model") or CLOSED_FORM),
        steps=int(configuration["trainer"].get("max_steps", 0)),
        seed=int(configuration.get("seed", 0)),
        guidance=_settings("system.guidance", guiding, guidance),
        of_prior=_settings("system.guidance.prior", find(prior_type).Config, prior) if prior_type else [],
    )


def method_settings(method: str) -> list[Setting]:
    """Of a guidance method; none of a name that is no method's."""
    if method not in METHODS:
        return []
    declared = METHODS[method]
    return [
        Setting(f"system.guidance.method_options.{name}", _text(value), f"of {method} ({declared.paper})")
        for name, value in declared.options.items()
    ]


def ordered(
    offer: Offer,
    prompt: str,
    method: str,
    prior: str,
    steps: int,
    seed: int,
    texts: Mapping[str, str],
    further: str = "",
) -> RunRequest:
    """The run that a page asks for.

    Args:
        texts: of settings by key; those that still say what was offered change nothing.
        further: any changes besides, key=value, a line each.
    """
    changes = [f"seed={seed}", f"trainer.max_steps={steps}"]
    if method and method != offer.method:
        changes.append(f"system.guidance.method={method}")
    if prior not in (offer.prior, CLOSED_FORM):
        changes.append(f"system.guidance.prior.model={json.dumps(prior)}")
    changes += _changed(texts, [*offer.guidance, *offer.of_prior, *method_settings(method)])
    changes += [line.strip() for line in further.splitlines() if line.strip()]
    request = RunRequest(find_config(offer.config), changes, prompt)
    return with_saved_steps(request, max(1, steps // _SAVED))


def _changed(texts: Mapping[str, str], offered: Sequence[Setting]) -> list[str]:
    """Those of the texts that do not say any more what was offered."""
    return [
        f"{each.key}={texts[each.key].strip()}"
        for each in offered
        if each.key in texts and texts[each.key].strip() != each.text
    ]


def _settings(key: str, config: type, given: Mapping[str, Any]) -> list[Setting]:
    """Fields that hold one value, or a schedule."""
    lines = field_lines(config)
    values = {each.name: given.get(each.name, _default(each)) for each in fields(config) if each.name not in _OWN}
    return [
        Setting(f"{key}.{name}", _text(value), lines.get(name, ""))
        for name, value in values.items()
        if not isinstance(value, dict) and value is not None
    ]


def _default(field: Field) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else None


def _text(value: Any) -> str:
    """As JSON, which YAML reads; words without quotes."""
    return value if isinstance(value, str) else json.dumps(value)
