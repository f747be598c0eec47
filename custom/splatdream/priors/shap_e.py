"""Shap-E (arXiv:2305.02463): a text to a small network that tells signed distance and color at every place.

Sampled by diffusers' ShapEPipeline; its own mesh decoder is not needed. P places.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .model_files import ModelFiles, locate_model
from .network_files import read_network

PARTS = ("prior", "text_encoder", "tokenizer", "scheduler", "shap_e_renderer")
"""Folders of a Shap-E pipeline in diffusers layout."""
HALF_SIDE = 1.0
"""The object lies in the cube of this half side about the origin."""
_PLACES_AT_ONCE = 65536


@dataclass
class ShapEConfig:
    model: str = "shap-e"
    """A short name, a hub id, or a folder in diffusers layout (docs/priors.md)."""
    offline: bool = False
    """Never touch the network."""
    steps: int = 64
    """Sampling steps; each costs two evaluations of its transformer."""
    guidance_scale: float = 15.0
    """1 is no guidance."""
    resolution: int = 128
    """Points along a side of the grid on which the surface is looked for."""
    device: str = "auto"
    """Where it runs: auto is cuda where there is one, else cpu."""


class ShapEObject:
    """What was sampled: an implicit object in [-1, 1]^3, z up, front toward -y."""

    def __init__(self, renderer: nn.Module, latent: Float[Tensor, "1 T C"]) -> None:
        self._renderer = renderer
        weights = renderer.params_proj(latent)
        own = renderer.mlp.state_dict()
        for name, value in weights.items():
            own[name.removeprefix("nerstf.")].copy_(value[0])

    @torch.no_grad()
    def __call__(self, places: Float[Tensor, "P 3"]) -> tuple[Float[Tensor, "P"], Float[Tensor, "P 3"]]:
        """Signed distance, positive inside and between -1 and 1, and RGB in [0, 1] as it is shown (sRGB)."""
        device = next(self._renderer.parameters()).device
        distances, colors = [], []
        for chunk in places.split(_PLACES_AT_ONCE):
            out = self._renderer.mlp(
                position=chunk[None].to(device), direction=None, ts=None, nerf_level="fine", rendering_mode="stf"
            )
            distances.append(out.signed_distance[0, :, 0].float().cpu())
            colors.append(out.channels[0].float().cpu())
        return torch.cat(distances), torch.cat(colors)


def locate_shap_e(config: ShapEConfig) -> ModelFiles:
    """Raises FileNotFoundError: it is nowhere, or its folder lacks a part."""
    return locate_model(config.model, PARTS, is_offline=config.offline)


@torch.no_grad()
def sample_shap_e(config: ShapEConfig, prompt: str, seed: int) -> ShapEObject:
    """The object that Shap-E draws for a prompt; the same seed gives the same one.

    Raises:
        FileNotFoundError: the model is nowhere, or its folder lacks a part.
        ImportError: diffusers or transformers is missing.
        ValueError: an empty prompt, numbers out of range, or a damaged part.
    """
    if not prompt.strip():
        raise ValueError(
            "Shap-E needs a prompt: set system.geometry.prompt to ${system.prompt_processor.prompt}, or to another text"
        )
    if config.steps < 1 or config.resolution < 8:
        raise ValueError(
            "system.geometry.shap_e needs at least 1 step and a resolution of at least 8, "
            f"got {config.steps} and {config.resolution}"
        )
    device = _device(config.device)
    pipeline = _load(locate_shap_e(config).as_folder())
    pipeline.to(device).set_progress_bar_config(disable=True)
    latents = pipeline(
        prompt,
        generator=torch.Generator().manual_seed(seed),
        num_inference_steps=config.steps,
        guidance_scale=config.guidance_scale,
        output_type="latent",
    ).images
    return ShapEObject(pipeline.shap_e_renderer, latents[:1])


def _device(name: str) -> str:
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if has_cuda else "cpu"
    if name.partition(":")[0] not in ("cpu", "cuda") or (name != "cpu" and not has_cuda):
        known = "auto, cpu or cuda" if has_cuda else "auto or cpu: torch finds no CUDA device"
        raise ValueError(f"system.geometry.shap_e.device is {name!r}, but must be {known}")
    return name


def _load(files: ModelFiles) -> object:
    """The pipeline, part by part: each with its own weights, in float32."""
    from diffusers import HeunDiscreteScheduler, PriorTransformer, ShapEPipeline
    from diffusers.pipelines.shap_e import ShapERenderer
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    networks = {
        "prior": PriorTransformer,
        "text_encoder": CLIPTextModelWithProjection,
        "shap_e_renderer": ShapERenderer,
    }
    parts = {part: read_network(files, network_type, part) for part, network_type in networks.items()}
    for part, part_type in {"tokenizer": CLIPTokenizer, "scheduler": HeunDiscreteScheduler}.items():
        with files.reading(part):
            parts[part] = part_type.from_pretrained(files.path / part)
    return ShapEPipeline(**parts)
