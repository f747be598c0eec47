"""ViewPrompts: the texts of a run and which of them describes what each camera sees.

B cameras.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Int
from torch import Tensor

from ..cameras.batch import CameraBatch
from .directions import ViewDirection, ViewThresholds, classify_views, describe_view
from .perp_neg import PerpNegDecays, PerpNegTerms, perp_neg_terms


@dataclass(frozen=True)
class ViewPrompts:
    """Texts only: encoding them is the business of the prior."""

    prompt: str
    negative_prompt: str = ""
    view_texts: Mapping[ViewDirection, str] = field(default_factory=dict)
    """The text of each direction; complete."""
    is_view_dependent: bool = True
    """False: every camera gets `prompt` as it is."""
    thresholds: ViewThresholds = field(default_factory=ViewThresholds)
    decays: PerpNegDecays = field(default_factory=PerpNegDecays)
    source_modifier: str = ""
    """What a render looks like where distillation goes wrong; with it each text of the object becomes a source text."""

    @property
    def texts(self) -> list[str]:
        """Every text of the run, in the order in which `rows` counts: the directions, no direction, negative, empty,
        and, with a source modifier, directions and no direction once more with it."""
        of_object = [*(self.view_texts[direction] for direction in ViewDirection), self.prompt]
        sources = [f"{text}, {self.source_modifier}" for text in of_object] if self.source_modifier else []
        return [*of_object, self.negative_prompt, "", *sources]

    def with_suffix(self, suffix: str) -> "ViewPrompts":
        """The same with every text that describes the object ending in `suffix`; negative and empty texts stay."""
        view_texts = {direction: text + suffix for direction, text in self.view_texts.items()}
        return replace(self, prompt=self.prompt + suffix, view_texts=view_texts)

    def rows(self, cameras: CameraBatch) -> Int[Tensor, "B"]:
        """For every camera the row of `texts` that describes what it sees."""
        if not self.is_view_dependent:
            return self.plain_rows(cameras)
        return classify_views(cameras.elevation_deg.cpu(), cameras.azimuth_deg.cpu(), self.thresholds)

    def plain_rows(self, cameras: CameraBatch) -> Int[Tensor, "B"]:
        """For every camera the row of the prompt without a view word."""
        return torch.full((len(cameras),), len(ViewDirection), dtype=torch.long)

    def negative_rows(self, cameras: CameraBatch) -> Int[Tensor, "B"]:
        """For every camera the row of `texts` that stands for no prompt in classifier-free guidance."""
        return torch.full((len(cameras),), len(ViewDirection) + 1, dtype=torch.long)

    def empty_rows(self, cameras: CameraBatch) -> Int[Tensor, "B"]:
        """For every camera a row of the empty text; that of the negative prompt when it is empty."""
        if not self.negative_prompt:
            return self.negative_rows(cameras)
        return torch.full((len(cameras),), len(ViewDirection) + 2, dtype=torch.long)

    def source_rows(self, cameras: CameraBatch) -> Int[Tensor, "B"]:
        """For every camera the row of its source text; without a source modifier that of the negative prompt."""
        if not self.source_modifier:
            return self.negative_rows(cameras)
        return self.rows(cameras) + len(ViewDirection) + 3

    def perp_neg_terms(self, cameras: CameraBatch) -> PerpNegTerms:
        """For every camera the rows of `texts` that Perp-Neg mixes and those that it pushes away from.

        Raises:
            ValueError: the texts do not depend on the view.
        """
        if not self.is_view_dependent:
            raise ValueError(
                "Perp-Neg weighs view-dependent texts against each other; "
                "set system.prompt_processor.is_view_dependent: true"
            )
        return perp_neg_terms(cameras.elevation_deg.cpu(), cameras.azimuth_deg.cpu(), self.thresholds, self.decays)


def make_view_prompts(
    prompt: str,
    negative_prompt: str = "",
    manual_texts: Mapping[ViewDirection, str] | None = None,
    debiased_prompts: Mapping[ViewDirection, str] | None = None,
    style: str = "suffix",
    is_view_dependent: bool = True,
    thresholds: ViewThresholds = ViewThresholds(),  # noqa: B008 - frozen
    source_modifier: str = "",
) -> ViewPrompts:
    """View-dependent texts of a prompt.

    Args:
        manual_texts: texts written by hand for some directions; they replace the worded ones.
        debiased_prompts: what is worded in place of the prompt, by direction; see `debias_prompt`.
        style: see `describe_view`.
        source_modifier: see `ViewPrompts`.
    """
    if not prompt.strip():
        raise ValueError("the prompt is empty; set system.prompt_processor.prompt, e.g. 'an orange cat'")
    bare = dict.fromkeys(ViewDirection, prompt) | dict(debiased_prompts or {})
    worded = {direction: describe_view(bare[direction], direction, style) for direction in ViewDirection}
    return ViewPrompts(
        prompt=prompt,
        negative_prompt=negative_prompt,
        view_texts=worded | dict(manual_texts or {}),
        is_view_dependent=is_view_dependent,
        thresholds=thresholds,
        source_modifier=source_modifier,
    )


def from_upstream(prompt_utils: object, negative_prompt: str = "") -> ViewPrompts:
    """The texts, and the weights of Perp-Neg, inside the output of one of threestudio's own prompt processors.

    Its thresholds live in functions that cannot be read back, so the defaults (which are also its own) are used.

    Args:
        negative_prompt: the processor's, of which the output keeps the embedding only.
    """
    prompt, prompts_vd = getattr(prompt_utils, "prompt", None), getattr(prompt_utils, "prompts_vd", None)
    if prompt is None or prompts_vd is None:
        raise TypeError(
            f"prompt_utils of type {type(prompt_utils).__name__} carries no texts; "
            "set system.prompt_processor_type: splatdream-prompt-processor"
        )
    names = {"front_side": "fs", "side_front": "sf", "side_back": "sb", "front_back": "fsb"}
    given = {ours: getattr(prompt_utils, f"perp_neg_f_{theirs}", None) for ours, theirs in names.items()}
    return ViewPrompts(
        prompt=prompt,
        negative_prompt=negative_prompt,
        view_texts={direction: prompts_vd[direction] for direction in ViewDirection},
        decays=PerpNegDecays(**{name: tuple(decay) for name, decay in given.items() if decay is not None}),
    )
