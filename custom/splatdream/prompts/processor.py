"""The registered prompt processor: from a configuration to the texts of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from ..host import BaseObject, register
from ..options.option_range import OptionRange, RangeOfEach
from .debiasing import MaskedLanguageModel, debias_prompt
from .directions import ViewDirection, ViewThresholds
from .prompt_library import resolve_prompt
from .view_prompts import ViewPrompts, make_view_prompts


@register("splatdream-prompt-processor")
class PromptProcessor(BaseObject):
    """Calling it gives the run's `ViewPrompts`. It encodes nothing: each prior owns its encoders."""

    @dataclass
    class Config(BaseObject.Config):
        prompt: str = ""
        """What to make; `lib:keywords` looks it up in the prompt library."""
        negative_prompt: str = ""
        """What classifier-free guidance moves away from; empty means unconditional."""
        source_modifier: str = ""
        """Words for what distillation gets wrong, appended to the texts that sds_bridge moves away from."""
        prompt_front: str | None = None
        """Replaces the worded front text."""
        prompt_side: str | None = None
        """Replaces the worded side text."""
        prompt_back: str | None = None
        """Replaces the worded back text."""
        prompt_overhead: str | None = None
        """Replaces the worded overhead text."""
        view_wording: str = "suffix"
        """"suffix": `a cat, front view`; "prefix": `front view of a cat`."""
        is_view_dependent: bool = True
        """False: every view gets the bare prompt."""
        front_threshold_deg: Annotated[float, OptionRange(0, 180)] = 45.0
        """Front within this azimuth of 0."""
        back_threshold_deg: Annotated[float, OptionRange(0, 180)] = 45.0
        """Back within this azimuth of 180."""
        overhead_threshold_deg: Annotated[float, OptionRange(-90, 90)] = 60.0
        """Overhead above this elevation."""
        debiasing_model: str = ""
        """Folder or hub id of a masked language model (`bert-base-uncased`) that removes words that contradict a view
        from the text of that view; empty: no debiasing."""
        debiasing_words: Annotated[list[int], RangeOfEach(0)] = field(default_factory=list)
        """Words of the prompt, counted from 0, that debiasing may remove; empty: any."""

    cfg: Config

    def configure(self) -> None:
        manual = {
            ViewDirection.FRONT: self.cfg.prompt_front,
            ViewDirection.SIDE: self.cfg.prompt_side,
            ViewDirection.BACK: self.cfg.prompt_back,
            ViewDirection.OVERHEAD: self.cfg.prompt_overhead,
        }
        if self.cfg.debiasing_words and not self.cfg.debiasing_model:
            raise ValueError(
                f"prompt_processor.debiasing_words {list(self.cfg.debiasing_words)} have no effect without a model; "
                "set debiasing_model, e.g. to bert-base-uncased, or leave them out"
            )
        if not self.cfg.is_view_dependent:
            self._refuse_what_needs_views(manual)
        prompt = resolve_prompt(self.cfg.prompt)
        self._prompts = make_view_prompts(
            prompt=prompt,
            negative_prompt=self.cfg.negative_prompt,
            manual_texts={direction: text for direction, text in manual.items() if text},
            debiased_prompts=self._debiased(prompt),
            style=self.cfg.view_wording,
            is_view_dependent=self.cfg.is_view_dependent,
            thresholds=ViewThresholds(
                self.cfg.front_threshold_deg, self.cfg.back_threshold_deg, self.cfg.overhead_threshold_deg
            ),
            source_modifier=self.cfg.source_modifier.strip(" ,"),
        )

    def __call__(self) -> ViewPrompts:
        return self._prompts

    def _refuse_what_needs_views(self, manual: Mapping[ViewDirection, str | None]) -> None:
        given = [f"prompt_{direction.name.lower()}" for direction, text in manual.items() if text]
        given += ["debiasing_model"] if self.cfg.debiasing_model else []
        if given:
            raise ValueError(
                f"prompt_processor.{given[0]} has no effect when every view gets the bare prompt; "
                "leave it out, or set is_view_dependent: true"
            )

    def _debiased(self, prompt: str) -> dict[ViewDirection, str]:
        if not self.cfg.debiasing_model:
            return {}
        model = MaskedLanguageModel(self.cfg.debiasing_model)
        return debias_prompt(prompt, model, list(self.cfg.debiasing_words) or None)
