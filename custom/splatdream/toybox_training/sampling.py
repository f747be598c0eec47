"""Images from texts (and cameras), by DDIM or along a flow, with classifier-free guidance, for grids and scores.

B images, N = B + 1 texts, L tokens, C and P channels.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def embed_texts(text_encoder: nn.Module, tokenizer: object, texts: list[str]) -> Float[Tensor, "B L C"]:
    """Last hidden states, padded as in the pipeline."""
    return text_encoder(token_ids(text_encoder, tokenizer, texts))[0]


def token_ids(text_encoder: nn.Module, tokenizer: object, texts: list[str]) -> Int[Tensor, "B L"]:
    """Padded as in the pipeline, on the encoder's device."""
    longest = tokenizer.model_max_length
    tokens = tokenizer(texts, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    return tokens.input_ids.to(next(text_encoder.parameters()).device)


@torch.no_grad()
def sample_images(
    unet: nn.Module,
    vae: nn.Module,
    scheduler: object,
    embeddings: Float[Tensor, "B L C"],
    empty_embedding: Float[Tensor, "1 L C"],
    generator: torch.Generator,
    cameras: Float[Tensor, "B 16"] | None = None,
    num_steps: int = 25,
    guidance_scale: float = 3.0,
) -> Float[Tensor, "B 3 H W"]:
    """In [0, 1]. With `cameras`, consecutive groups are views of one object, as the network was told.

    Args:
        scheduler: diffusers' DDIMScheduler, as in the prior's folder.
    """
    count, side = len(embeddings), unet.config.sample_size
    latents = torch.randn(count, 4, side, side, generator=generator).to(embeddings.device)
    both = torch.cat([empty_embedding.expand_as(embeddings), embeddings])
    extra = {} if cameras is None else {"class_labels": torch.cat([cameras, cameras])}
    scheduler.set_timesteps(num_steps)
    for timestep in scheduler.timesteps:
        steps = timestep.expand(2 * count).to(latents.device)
        without, with_text = unet(torch.cat([latents] * 2), steps, encoder_hidden_states=both, **extra).sample.chunk(2)
        velocity = without + guidance_scale * (with_text - without)
        latents = scheduler.step(velocity, timestep, latents).prev_sample
    return (vae.decode(latents / vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def sample_other_views(
    unet: nn.Module,
    vae: nn.Module,
    scheduler: object,
    tokens: Float[Tensor, "B 1 C"],
    pictures: Float[Tensor, "B 4 h w"],
    generator: torch.Generator,
    num_steps: int = 25,
    guidance_scale: float = 3.0,
) -> Float[Tensor, "B 3 H W"]:
    """In [0, 1], by Zero-1-to-3: without guidance the token and the picture's latents are zeros.

    Args:
        scheduler: diffusers' DDIMScheduler, as in the prior's folder.
    """
    latents = torch.randn(pictures.shape, generator=generator).to(pictures.device)
    both_tokens, both_pictures = (torch.cat([torch.zeros_like(told), told]) for told in (tokens, pictures))
    scheduler.set_timesteps(num_steps)
    for timestep in scheduler.timesteps:
        steps = timestep.expand(len(both_tokens)).to(latents.device)
        seen = torch.cat([torch.cat([latents] * 2), both_pictures], dim=1)
        without, told = unet(seen, steps, encoder_hidden_states=both_tokens).sample.chunk(2)
        latents = scheduler.step(without + guidance_scale * (told - without), timestep, latents).prev_sample
    return (vae.decode(latents / vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def sample_flow_images(
    transformer: nn.Module,
    vae: nn.Module,
    scheduler: object,
    context: Float[Tensor, "N L C"],
    pooled: Float[Tensor, "N P"],
    generator: torch.Generator,
    num_steps: int = 25,
    guidance_scale: float = 3.0,
) -> Float[Tensor, "B 3 H W"]:
    """In [0, 1]; the first row of `context` and `pooled` is the empty text.

    Args:
        scheduler: diffusers' FlowMatchEulerDiscreteScheduler, as in the prior's folder.
    """
    count, side = len(context) - 1, transformer.config.sample_size
    latents = torch.randn(count, 4, side, side, generator=generator).to(context.device)
    rows = torch.tensor([0] * count + list(range(1, count + 1)), device=context.device)
    context, pooled = context[rows], pooled[rows]
    scheduler.set_timesteps(num_steps)
    for timestep in scheduler.timesteps:
        steps = timestep.expand(2 * count).to(latents.device)
        without, with_text = transformer(torch.cat([latents] * 2), context, pooled, steps).sample.chunk(2)
        velocity = without + guidance_scale * (with_text - without)
        latents = scheduler.step(velocity, timestep, latents).prev_sample
    return (vae.decode(latents / vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)
