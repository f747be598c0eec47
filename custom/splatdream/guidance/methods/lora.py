"""LoRA particles: a low-rank copy of the prior's network that learns, during the run, what the run's renders look like.

VSD's learned score (ProlificDreamer, arXiv:2305.16213). The prior's own predictions stay what they were: the low-rank
part and the camera are switched on for this score alone. B views.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...cameras.random_streams import generator_for
from ...options.option_range import OptionRange
from ...priors.base import Condition, DiffusionPrior, Views
from ...priors.gradient_range import amplified, train_through_half_precision
from ...storage.device_copies import sent
from ..step import GuidedStep
from .learner import Learner
from .particles import ParticleScore

ADAPTER = "splatdream_particles"
_CAMERA_NUMBERS = 16


class LoraParticles(Learner):
    """Low-rank weights on the attention layers of a prior's network, and an embedding of the camera.

    Starts anew whenever it is built, with a score equal to the prior's. Only its own weights are parameters of this
    module, so that they are moved, optimized and kept in checkpoints without the network.
    """

    loss_names = ("lora",)

    def __init__(
        self,
        prior: DiffusionPrior,
        seed: int,
        *,
        lora_rank: Annotated[int, OptionRange(1)] = 4,
        lora_learning_rate: Annotated[float, OptionRange(0)] = 1.0e-4,
        lora_camera_dropout: Annotated[float, OptionRange(0, 1)] = 0.1,
    ) -> None:
        """
        Args:
            seed: of the initial weights.
            lora_rank: of the update of each attention matrix.
            lora_learning_rate: of the weights and the camera embedding.
            lora_camera_dropout: share of the training steps that are taken without cameras, which ESD needs.

        Raises:
            ValueError: the prior has no network.
            ImportError: peft is not installed.
        """
        super().__init__()
        if prior.network is None or prior.time_embedding is None:
            raise ValueError(
                f"VSD trains a low-rank copy of the prior's network, and {type(prior).__name__} has none; "
                "choose a network prior or another guidance.method"
            )
        self.learning_rate = lora_learning_rate
        self._camera_dropout = lora_camera_dropout
        # In a tuple: as a submodule the whole network would be in every checkpoint.
        self._unregistered = (prior, prior.network)
        generator = generator_for(seed, "lora weights", 0)
        self.adapter = nn.ParameterDict(_inject(prior.network, lora_rank, generator))
        width = prior.time_embedding_width
        self.camera_embedding = nn.Sequential(nn.Linear(_CAMERA_NUMBERS, width), nn.SiLU(), nn.Linear(width, width))
        _fill_uniform(self.camera_embedding[0].weight, generator)
        nn.init.zeros_(self.camera_embedding[0].bias)
        # The camera says nothing until it has been learned.
        nn.init.zeros_(self.camera_embedding[2].weight)
        nn.init.zeros_(self.camera_embedding[2].bias)
        train_through_half_precision(self.parameters())

    def supplied(self, step: GuidedStep) -> Mapping[str, object]:
        return {"particles": LoraScore(self, step)}

    def losses(self, step: GuidedStep) -> Mapping[str, Tensor]:
        """Costs 2 evaluations a view: the backward pass skips the gradients of frozen weights."""
        step.counter.count += 2 * len(step.latents)
        loss = self.training_loss(step.latents, step.plain_condition(), step.views, step.generator("lora"))
        return {"loss_lora": loss}

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
    ) -> Float[Tensor, ""]:
        """Mean square error, on the current renders at uniform timesteps, of what the network itself predicts."""
        prior, _ = self._unregistered
        groups = len(latents) // prior.views_per_group
        timesteps = torch.randint(len(prior.schedule), (groups,), generator=generator)
        timesteps = timesteps.repeat_interleave(prior.views_per_group)
        noise = sent(torch.randn(latents.shape, generator=generator), latents.device, latents.dtype)
        knows_camera = float(torch.rand(1, generator=generator)) >= self._camera_dropout
        noisy_latents = prior.schedule.add_noise(latents.detach(), noise, timesteps)
        predicted = self.predict_noise(noisy_latents, timesteps, condition, views, knows_camera)
        return self._own_error(amplified(predicted) - noise, timesteps).square().mean()

    def _own_error(self, error: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"]) -> Float[Tensor, "B ..."]:
        """The error of the network's output that an error of the noise stands for, up to the sign.

        With x_t given, the noise changes by a_t times the velocity, and by a_t / s_t times the clean image.
        """
        prior, _ = self._unregistered
        if prior.prediction_type == "epsilon":
            return error
        signal, sigma = prior.schedule.signal_and_noise_scales(timesteps, error)
        # Where there is no signal the noise is x_t itself, its error 0, and nothing can be learned through it.
        error = error / signal.clamp(min=1e-4)
        return sigma * error if prior.prediction_type == "sample" else error

    @contextmanager
    def _switched_on(self, cameras: Float[Tensor, "B 16"]) -> Iterator[None]:
        prior, network = self._unregistered
        self.camera_embedding.to(cameras.device)

        def add_camera(module: nn.Module, inputs: tuple[object, ...], embedding: Tensor) -> Tensor:
            return embedding + self.camera_embedding(cameras).to(embedding)

        handle = prior.time_embedding.register_forward_hook(add_camera)
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
    """LoRA particles that have been told the texts and views of one step.

    The paper's network knows the prompt without view words.
    """

    def __init__(self, particles: LoraParticles, step: GuidedStep) -> None:
        self._particles = particles
        self._step = step

    @torch.no_grad()
    def predict(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"], knows_camera: bool
    ) -> Float[Tensor, "B ..."]:
        self._step.counter.count += len(noisy_latents)
        condition, views = self._step.plain_condition(), self._step.views
        return self._particles.predict_noise(noisy_latents, timesteps, condition, views, knows_camera)


def _inject(network: nn.Module, rank: int, generator: torch.Generator) -> dict[str, nn.Parameter]:
    """Fresh low-rank weights on every attention matrix, switched off; names of theirs without dots."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError(f"VSD and ESD train low-rank weights through peft: pip install peft ({error})") from error
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
            # diffusers' first LoRA layers, with which ProlificDreamer was published, start so; peft's start smaller.
            weight.data = torch.randn(weight.shape, generator=generator) / rank
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
