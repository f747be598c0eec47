"""LoRA particles on a tiny UNet: they start as the prior, learn the renders, and leave the prior alone."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.methods.lora import LoraParticles
from splatdream.guidance.step import GuidedStep, StepSettings
from splatdream.priors.base import Condition, DiffusionPrior, Views
from splatdream.priors.noise_process import VariancePreserving
from splatdream.prompts.view_prompts import make_view_prompts

pytest.importorskip("diffusers")
pytest.importorskip("peft")


class Embeddings(Condition):
    def __init__(self, embeddings):
        self.embeddings = embeddings

    def __len__(self):
        return len(self.embeddings)

    def __getitem__(self, rows):
        return Embeddings(self.embeddings[rows])


class TinyUNetPrior(DiffusionPrior):
    """The architecture of Stable Diffusion's UNet with 20,000 random weights."""

    def __init__(self, generator):
        from diffusers import UNet2DConditionModel

        self.schedule = VariancePreserving.scaled_linear()
        self.network = UNet2DConditionModel(
            sample_size=4,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(8, 8),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            norm_num_groups=2,
            cross_attention_dim=8,
            attention_head_dim=2,
        ).requires_grad_(False)
        self.time_embedding, self.time_embedding_width = self.network.time_embedding, 32
        for parameter in self.network.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))

    def encode_texts(self, texts):
        return Embeddings(torch.stack([torch.full((3, 8), float(len(text))) for text in texts]))

    def encode_images(self, rgb):
        return rgb.movedim(-1, 1)

    def decode_latents(self, latents):
        return latents.movedim(1, -1)

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        return self.network(noisy_latents, timesteps, condition.embeddings).sample


@pytest.fixture
def prior(generator):
    return TinyUNetPrior(generator)


@pytest.fixture
def step(prior, generator):
    """Noisy latents, timesteps, condition and views of two cameras."""
    views = Views(orbit_cameras([0.0, 30.0], [0.0, 120.0]), torch.ones(2, 3))
    noisy = torch.randn(2, 4, 4, 4, generator=generator)
    return noisy, torch.tensor([100, 800]), prior.encode_texts(["cat", "cat"]), views


def train(particles, step, generator, steps=30):
    latents, _, condition, views = step
    optimizer = torch.optim.Adam(particles.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = particles.training_loss(latents, condition, views, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def mean_loss(particles, step):
    """Over 25 draws, always the same."""
    latents, _, condition, views = step
    draws = torch.Generator().manual_seed(1)
    return sum(particles.training_loss(latents, condition, views, draws).item() for _ in range(25)) / 25


def test_the_score_starts_as_the_priors_with_and_without_camera(prior, step, generator):
    before = prior.predict_noise(*step)
    particles = LoraParticles(prior, seed=0, lora_rank=2)
    for knows_camera in (True, False):
        torch.testing.assert_close(particles.predict_noise(*step, knows_camera), before)


def test_training_learns_the_renders_and_leaves_the_prior_untouched(prior, step, generator):
    before = prior.predict_noise(*step)
    particles = LoraParticles(prior, seed=0, lora_rank=2)
    untrained = mean_loss(particles, step)
    train(particles, step, generator, steps=40)
    assert mean_loss(particles, step) < 0.97 * untrained
    assert torch.equal(prior.predict_noise(*step), before)
    assert not torch.allclose(particles.predict_noise(*step, True), before)
    # The loss may be backpropagated after the network has been switched back to the prior's.
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in particles.parameters())


def test_the_camera_matters_once_it_is_learned(prior, step, generator):
    particles = LoraParticles(prior, seed=0, lora_rank=2)
    train(particles, step, generator)
    assert not torch.allclose(particles.predict_noise(*step, True), particles.predict_noise(*step, False))
    noisy, timesteps, condition, views = step
    swapped = Views(views.cameras[[1, 0]], views.background)
    other = particles.predict_noise(noisy, timesteps, condition, swapped, True)
    assert not torch.allclose(particles.predict_noise(*step, True), other)


def test_only_low_rank_weights_and_the_camera_are_trained_and_kept(prior, step, generator):
    particles = LoraParticles(prior, seed=0, lora_rank=2)
    trainable = {id(parameter) for parameter in prior.network.parameters() if parameter.requires_grad}
    assert trainable == {id(parameter) for parameter in particles.adapter.values()}
    kept = particles.state_dict()
    assert all(name.startswith(("adapter.", "camera_embedding.")) for name in kept)
    # 2 blocks with 2 attentions of 4 matrices, each with 2 factors, in the middle, down and up.
    assert sum("lora_A" in name for name in kept) == sum("lora_B" in name for name in kept) >= 16


def test_a_second_run_on_the_same_prior_starts_anew_and_from_its_seed_alone(prior, step, generator):
    first = LoraParticles(prior, seed=3, lora_rank=2)
    start = {name: value.clone() for name, value in first.state_dict().items()}
    train(first, step, generator)
    torch.manual_seed(99)
    second = LoraParticles(prior, seed=3, lora_rank=2)
    assert second.state_dict().keys() == start.keys()
    for name, value in second.state_dict().items():
        assert torch.equal(value, start[name])


def test_a_checkpoint_restores_the_score(prior, step, generator):
    particles = LoraParticles(prior, seed=0, lora_rank=2)
    train(particles, step, generator)
    expected = particles.predict_noise(*step, True)
    kept = {name: value.clone() for name, value in particles.state_dict().items()}
    resumed = LoraParticles(prior, seed=0, lora_rank=2)
    resumed.load_state_dict(kept)
    torch.testing.assert_close(resumed.predict_noise(*step, True), expected)


def test_evaluations_are_counted_and_training_counts_two_a_view(prior, step):
    noisy, timesteps, _, views = step
    prompts = make_view_prompts("cat")
    guided = GuidedStep(prior, prompts, prior.encode_texts(prompts.texts), views, noisy, 0, StepSettings())
    particles = LoraParticles(prior, seed=0, lora_rank=2)
    predicted = particles.supplied(guided)["particles"].predict(noisy, timesteps, knows_camera=True)
    assert guided.counter.count == 2 and not predicted.requires_grad
    assert list(particles.losses(guided)) == ["loss_lora"]
    assert guided.counter.count == 2 + 4


def test_low_rank_weights_start_as_diffusers_first_ones(prior):
    # Normal with standard deviation 1 / rank down, zero up.
    particles = LoraParticles(prior, seed=0, lora_rank=4)
    down = torch.cat([weight.flatten() for name, weight in particles.adapter.items() if "lora_A" in name])
    down = down.detach()
    assert down.std() == pytest.approx(0.25, rel=0.05) and abs(down.mean()) < 0.02
    assert all(not weight.any() for name, weight in particles.adapter.items() if "lora_B" in name)


class VelocityPrior(TinyUNetPrior):
    """The same network, what it says being read as a_t noise - s_t x_0."""

    prediction_type = "v_prediction"

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        signal, sigma = self.schedule.signal_and_noise_scales(timesteps, noisy_latents)
        return signal * super().predict_noise(noisy_latents, timesteps, condition, views) + sigma * noisy_latents


class CleanPrior(TinyUNetPrior):
    """What it says being read as x_0."""

    prediction_type = "sample"

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        signal, sigma = self.schedule.signal_and_noise_scales(timesteps, noisy_latents)
        clean = super().predict_noise(noisy_latents, timesteps, condition, views)
        return (noisy_latents - signal * clean) / sigma


@pytest.mark.parametrize("prior_class", [TinyUNetPrior, VelocityPrior, CleanPrior])
def test_it_regresses_what_the_network_itself_predicts(prior_class, generator):
    prior = prior_class(generator)
    views = Views(orbit_cameras([0.0, 30.0], [0.0, 120.0]), torch.ones(2, 3))
    latents, condition = torch.randn(2, 4, 4, 4, generator=generator), prior.encode_texts(["cat", "cat"])
    draws = torch.Generator().manual_seed(4)
    timesteps, noise = torch.randint(1000, (2,), generator=draws), torch.randn(2, 4, 4, 4, generator=draws)
    signal, sigma = prior.schedule.signal_and_noise_scales(timesteps, latents)
    said = TinyUNetPrior.predict_noise(prior, signal * latents + sigma * noise, timesteps, condition, views)
    target = {"epsilon": noise, "v_prediction": signal * noise - sigma * latents, "sample": latents}
    particles = LoraParticles(prior, seed=0, lora_rank=2)
    loss = particles.training_loss(latents, condition, views, torch.Generator().manual_seed(4))
    expected = (said - target[prior.prediction_type]).square().mean()
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-5)


def test_a_prior_without_a_network_is_refused():
    from exact_priors import Mixture, MixturePrior

    with pytest.raises(ValueError, match=r"MixturePrior has none; choose a network prior or another guidance.method"):
        LoraParticles(MixturePrior({"text": Mixture(torch.zeros(1, 3))}), seed=0)
