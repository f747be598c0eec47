"""MVDream's denoiser: diffusers' UNet with self-attention across the views of an object and an embedding of cameras.

B images, V views of one object, L positions in a feature map.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn


def camera_embedding_input(c2w: Float[Tensor, "B 4 4"]) -> Float[Tensor, "B 16"]:
    """What MVDream is told of a camera: the camera-to-world matrix, its position moved to the unit sphere, row by row.

    Axes are those of conventions.py: OpenGL cameras in a world with z up, azimuth 0 at +x, which is where MVDream's
    objects show their front. Distance and field of view are not told.
    """
    normalized = c2w.clone()
    position = c2w[:, :3, 3]
    normalized[:, :3, 3] = position / (position.norm(dim=1, keepdim=True) + 1e-8)
    return normalized.flatten(1)


class CrossViewAttention:
    """An attention processor: the positions of V consecutive rows attend to one another."""

    def __init__(self, within_view: object, num_views: int) -> None:
        """`within_view` is diffusers' processor that computes the attention itself."""
        self.within_view = within_view
        self.num_views = num_views

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        images, length, channels = hidden_states.shape
        joint = hidden_states.reshape(images // self.num_views, self.num_views * length, channels)
        return self.within_view(attn, joint, encoder_hidden_states, attention_mask, temb).reshape(
            images, length, channels
        )


def attend_across_views(unet: nn.Module, num_views: int) -> nn.Module:
    """The same UNet, every self-attention running over groups of `num_views` images from now on.

    diffusers does not save this with the weights.
    """
    processors = {}
    for name, processor in unet.attn_processors.items():
        if name.endswith("attn1.processor"):
            within_view = processor.within_view if isinstance(processor, CrossViewAttention) else processor
            processors[name] = CrossViewAttention(within_view, num_views)
        else:
            processors[name] = processor
    unet.set_attn_processor(processors)
    return unet


def build_denoiser(config: Mapping[str, object], state: Mapping[str, Tensor]) -> nn.Module:
    """A UNet of the given shape that holds these tensors (diffusers' names); they are not copied.

    Raises:
        RuntimeError: tensors are missing, left over, or of another shape.
    """
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):  # no memory, and no seconds, for weights that are replaced at once
        unet = UNet2DConditionModel(**config)
    unet.load_state_dict(state, strict=True, assign=True)
    return unet
