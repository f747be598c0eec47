"""LoRA particles: a low-rank copy of the prior's network that learns, during the run, what the run's renders look like.

VSD's learned score (ProlificDreamer, arXiv:2305.16213). The prior's own predictions stay what they were: the low-rank
part and the camera are switched on for this score alone. B views.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...priors.base import Condition, DiffusionPrior, Views
from ...priors.gradient_range import amplified, train_through_half_precision
from ..denoiser import EvaluationCounter
from .particle_score import ParticleScore

ADAPTER = "splatdream_particles"
_CAMERA_NUMBERS = 16


class LoraParticles(nn.Module):
    """Low-rank weights on the attention layers of a prior's network, and an embedding of the camera.

    Starts anew whenever it is built, with a score equal to the prior's. Only its own weights are parameters of this
    module, so that it can be part of a system: moved, optimized and kept in checkpoints without the network.
    """

    def __init__(self, prior: DiffusionPrior, rank: int, generator: torch.Generator) -> None:
        """
        Args:
            rank: of the update of each attention matrix.
            generator: of the initial weights.

        Raises:
            ValueError: the prior has no network.
            ImportError: peft is not installed.
        """
        super().__init__()
        if prior.network is None:
            raise ValueError(
                f"VSD trains a low-rank copy of the prior's network, and {type(prior).__name__} has none; "
                "choose a network prior or another guidance.method"
            )
        # In a tuple: as a submodule the whole network would be in every checkpoint.
        self._unregistered = (prior, prior.network)
        self.adapter = nn.ParameterDict(_inject(prior.network, rank, generator))
        width = prior.network.time_embedding.linear_2.out_features
        self.camera_embedding = nn.Sequential(nn.Linear(_CAMERA_NUMBERS, width), nn.SiLU(), nn.Linear(width, width))
        _fill_uniform(self.camera_embedding[0].weight, generator)
        nn.init.zeros_(self.camera_embedding[0].bias)
        # The camera says nothing until it has been learned.
        nn.init.zeros_(self.camera_embedding[2].weight)
        nn.init.zeros_(self.camera_embedding[2].bias)
        train_through_half_precision(self.parameters())

    def predict_noise(
        self,
        noisy_latents: Float[Tensor, "B ..."],
        timesteps: Int[Tensor, "B"],
        condition: Condition,
        views: Views,
        knows_camera: bool,
    ) -> Float[Tensor, "B ..."]:
        """The prior's prediction with low-rank weights, given the cameras or none; with gradients to the parameters."""
        prior, _ = self._unregistered
        cameras = views.cameras.c2w.flatten(1).to(noisy_latents)
        with self._switched_on(cameras if knows_camera else torch.zeros_like(cameras)):
            return prior.predict_noise(noisy_latents, timesteps, condition, views)

    def training_loss(
        self,
        latents: Float[Tensor, "B ..."],
        condition: Condition,
        views: Views,
        generator: torch.Generator,
        camera_dropout: float = 0.1,
    ) -> Float[Tensor, ""]:
        """Mean square error of the predicted noise on the current renders, at uniform timesteps.

        Args:
            camera_dropout: how often the step is taken without cameras, which ESD needs.
        """
        prior, _ = self._unregistered
        groups = len(latents) // prior.views_per_group
        timesteps = torch.randint(len(prior.schedule), (groups,), generator=generator)
        timesteps = timesteps.repeat_interleave(prior.views_per_group).to(latents.device)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        knows_camera = float(torch.rand(1, generator=generator)) >= camera_dropout
        noisy_latents = prior.schedule.add_noise(latents.detach(), noise, timesteps)
        predicted = self.predict_noise(noisy_latents, timesteps, condition, views, knows_camera)
        return (amplified(predicted) - noise).square().mean()

    @contextmanager
    def _switched_on(self, cameras: Float[Tensor, "B 16"]) -> Iterator[None]:
        _, network = self._unregistered
        self.camera_embedding.to(cameras.device)

        def add_camera(module: nn.Module, inputs: tuple[object, ...], embedding: Tensor) -> Tensor:
            # Where diffusers adds class embeddings: to the embedded timestep.
            return embedding + self.camera_embedding(cameras).to(embedding)

        handle = network.time_embedding.register_forward_hook(add_camera)
        _set_enabled(network, True)
        try:
            yield
        finally:
            _set_enabled(network, False)
            handle.remove()
            # peft freezes what it switches off, and a frozen leaf would ignore the backward pass to come.
            for parameter in self.adapter.values():
                parameter.requires_grad_(True)


class LoraScore(ParticleScore):
    """LoRA particles that have been told the texts and views of one step."""

    def __init__(
        self, particles: LoraParticles, condition: Condition, views: Views, counter: EvaluationCounter
    ) -> None:
        """`condition` has one row a view; the paper's network knows the prompt without view words."""
        self._particles = particles
        self._condition = condition
        self._views = views
        self._counter = counter

    @torch.no_grad()
    def predict(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"], knows_camera: bool
    ) -> Float[Tensor, "B ..."]:
        self._counter.count += len(noisy_latents)
        return self._particles.predict_noise(noisy_latents, timesteps, self._condition, self._views, knows_camera)

    def training_loss(
        self, latents: Float[Tensor, "B ..."], generator: torch.Generator, camera_dropout: float
    ) -> Float[Tensor, ""]:
        """See `LoraParticles`. Costs 2 evaluations a view: its backward pass skips the gradients of frozen weights."""
        self._counter.count += 2 * len(latents)
        return self._particles.training_loss(latents, self._condition, self._views, generator, camera_dropout)


def _inject(network: nn.Module, rank: int, generator: torch.Generator) -> dict[str, nn.Parameter]:
    """Fresh low-rank weights on every attention matrix, switched off; names of theirs without dots."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError("VSD and ESD train low-rank weights through peft: pip install peft") from error
    _forget_earlier_run(network)
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    # peft draws its first weights from the global generator.
    with torch.random.fork_rng(devices=[]):
        inject_adapter_in_model(config, network, adapter_name=ADAPTER)
    weights = {name: weight for name, weight in network.named_parameters() if f".{ADAPTER}." in name}
    if not weights:
        raise ValueError(f"{type(network).__name__} has no attention layers to_q, to_k, to_v that LoRA could adapt")
    for name, weight in weights.items():
        # Full precision: steps of 1e-4 vanish in half precision.
        weight.data = weight.data.float()
        if ".lora_A." in name:
            _fill_uniform(weight, generator)
        else:
            nn.init.zeros_(weight)
    _set_enabled(network, False)
    for weight in weights.values():
        weight.requires_grad_(True)
    return {name.replace(".", "/"): weight for name, weight in weights.items()}


def _forget_earlier_run(network: nn.Module) -> None:
    """A prior outlives a run when many runs share it."""
    for layer in _adapted_layers(network):
        layer.delete_adapter(ADAPTER)
    configurations = getattr(network, "peft_config", None)
    if configurations is not None:
        configurations.pop(ADAPTER, None)
        if not configurations:
            del network.peft_config


def _set_enabled(network: nn.Module, is_enabled: bool) -> None:
    for layer in _adapted_layers(network):
        layer.enable_adapters(is_enabled)


def _adapted_layers(network: nn.Module) -> list[nn.Module]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [module for module in network.modules() if isinstance(module, BaseTunerLayer)]


@torch.no_grad()
def _fill_uniform(weight: Tensor, generator: torch.Generator) -> None:
    """Uniform within 1 / sqrt(inputs), torch's own start for linear layers."""
    bound = 1 / math.sqrt(weight.shape[1])
    weight.copy_(bound * (2 * torch.rand(weight.shape, generator=generator) - 1))
