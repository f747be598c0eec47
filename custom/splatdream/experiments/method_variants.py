"""What the tables of methods compare: every variant's settings, in one place.

All share configs/quickstart-sd.yaml: cameras, geometry, timesteps, ground. Weightings are those published. Published
guidance scales are for networks that know the world; these priors know a few hundred objects, and a text leaves little
open: every method takes the scale at which the priors themselves are scored (docs/methods.md has others tried).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

STABLE_DIFFUSION, MVDREAM = "sd", "mvdream"
"""Which of the two small priors a variant asks."""


@dataclass(frozen=True)
class Variant:
    """One column of the table."""

    label: str
    settings: Mapping[str, object] = field(default_factory=dict)
    """Keys of a configuration and their values."""
    prior: str = STABLE_DIFFUSION


_SCALE = 3.0
"""Of classifier-free guidance, 1 being none; csd has no use for it."""


def _method(name: str, weighting: str, **options: object) -> dict[str, object]:
    return {
        "system.guidance.method": name,
        "system.guidance.guidance_scale": _SCALE,
        "system.guidance.weighting": weighting,
        **{f"system.guidance.method_options.{option}": value for option, value in options.items()},
    }


_LEARNS = {
    "system.loss.lambda_lora": 1.0,
    # A hundred steps are a hundredth of a published run: at 1e-4 the weights would learn nothing.
    "system.guidance.method_options.lora_learning_rate": 1e-3,
}
_SDS = _method("sds", "sigma_squared")
_MVDREAM = Variant("mvdream", _method("x0_reconstruction", "uniform", x0_rescale=0.5), MVDREAM)

METHODS: tuple[Variant, ...] = (
    Variant("sds", _SDS),
    Variant("sjc", _method("sjc", "uniform")),
    Variant("csd", _method("csd", "sigma_squared")),
    Variant("nfsd", _method("nfsd", "sigma_squared")),
    Variant("ism", _method("ism", "noise_to_signal")),
    # Half of the published inversion steps, so that there are twice as many of the run's.
    Variant("sdi", _method("sdi", "noise_to_signal", inversion_steps=5, inversion_guidance_scale=-_SCALE)),
    Variant("vsd", _method("vsd", "sigma_squared") | _LEARNS),
    Variant("esd", _method("esd", "sigma_squared") | _LEARNS),
    _MVDREAM,
)
"""Every guidance method, Stable Diffusion's told the view by a word, MVDream's by its cameras."""

JANUS: tuple[Variant, ...] = (
    Variant("view-blind", _SDS | {"system.prompt_processor.is_view_dependent": False}),
    Variant("view words", _SDS),
    Variant("Perp-Neg", _SDS | {"system.guidance.perp_neg": 1.0}),
    Variant("clipped", _SDS | {"system.guidance.gradient_clip": [0, 0.5, 2.0, "${trainer.max_steps}"]}),
    Variant("mvdream sds", _SDS, MVDREAM),
    _MVDREAM,
)
"""SDS under the known remedies against repeated faces; debiased prompts, which need a masked language model, are not
among them."""

SETS: Mapping[str, tuple[Variant, ...]] = {"methods": METHODS, "janus": JANUS}

PROMPTS = (
    "an orange cat",
    "a blue robot",
    "a green frog wearing a red hat",
    "a red car",
    "a white rabbit",
    "a yellow duck wearing a purple scarf",
)
"""All have a front; sides differ in color, or only in shape."""

_OF_PRIOR: Mapping[str, Mapping[str, object]] = {
    STABLE_DIFFUSION: {"system.guidance.prior_type": "splatdream-stable-diffusion-prior"},
    MVDREAM: {
        "system.guidance.prior_type": "splatdream-mvdream-prior",
        "data.views_per_group": 4,
        "system.prompt_processor.is_view_dependent": False,
    },
}


def settings_of(variant: Variant, models: Mapping[str, str]) -> dict[str, object]:
    """All that distinguishes a variant's run from configs/quickstart-sd.yaml.

    Args:
        models: the folder or short name of each prior.
    """
    return {**_OF_PRIOR[variant.prior], "system.guidance.prior.model": models[variant.prior], **variant.settings}


def chosen_variants(name: str, labels: Sequence[str] | None) -> tuple[Variant, ...]:
    """The variants of a set, or those of the given labels in the set's order.

    Raises:
        ValueError: a label that the set does not have.
    """
    known = {variant.label: variant for variant in SETS[name]}
    unknown = [label for label in labels or () if label not in known]
    if unknown:
        raise ValueError(f"the set {name} has no variant {unknown[0]!r}; it has {', '.join(known)}")
    return tuple(variant for label, variant in known.items() if not labels or label in labels)
