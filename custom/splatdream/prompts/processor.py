"""The registered prompt processor: from a configuration to the texts of a run."""

from dataclasses import dataclass

from ..host import BaseObject, register
from .directions import ViewDirection, ViewThresholds
from .library import resolve_prompt
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
        front_threshold_deg: float = 45.0
        """Front within this azimuth of 0."""
        back_threshold_deg: float = 45.0
        """Back within this azimuth of 180."""
        overhead_threshold_deg: float = 60.0
        """Overhead above this elevation."""

    cfg: Config

    def configure(self) -> None:
        manual = {
            ViewDirection.FRONT: self.cfg.prompt_front,
            ViewDirection.SIDE: self.cfg.prompt_side,
            ViewDirection.BACK: self.cfg.prompt_back,
            ViewDirection.OVERHEAD: self.cfg.prompt_overhead,
        }
        self._prompts = make_view_prompts(
            prompt=resolve_prompt(self.cfg.prompt),
            negative_prompt=self.cfg.negative_prompt,
            manual_texts={direction: text for direction, text in manual.items() if text},
            style=self.cfg.view_wording,
            is_view_dependent=self.cfg.is_view_dependent,
            thresholds=ViewThresholds(
                self.cfg.front_threshold_deg, self.cfg.back_threshold_deg, self.cfg.overhead_threshold_deg
            ),
        )

    def __call__(self) -> ViewPrompts:
        return self._prompts
