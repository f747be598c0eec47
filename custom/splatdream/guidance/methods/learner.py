"""What a method learns, while it distills, from the renders of its run."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from ..step import GuidedStep


class Learner(nn.Module, ABC):
    """Built anew for every run, as `Class(prior, seed, **options)`; a resumed run then loads its `state_dict`.

    Its options are its keyword-only arguments, which `guidance.method_options` sets beside those of the method. What it
    holds as parameters is optimized beside the Gaussians, and must not include the prior's network.
    """

    loss_names: tuple[str, ...] = ()
    """Each x of a `loss_x` that `losses` returns; `system.loss.lambda_x` is its weight."""
    learning_rate: float = 1.0e-4
    """Of Adam, for its parameters."""

    @abstractmethod
    def supplied(self, step: GuidedStep) -> Mapping[str, object]:
        """What the gradient of the method takes by keyword in this step."""

    @abstractmethod
    def losses(self, step: GuidedStep) -> Mapping[str, Tensor]:
        """What teaches it: `loss_x` for each x of `loss_names`."""

    def parameter_groups(self) -> list[dict[str, object]]:
        """Groups for the optimizer of the run."""
        return [{"name": "guidance_learner", "params": list(self.parameters()), "lr": self.learning_rate}]
