"""Score distillation in a loop of your own, on a packaged prior: python examples/your_own_loss.py [STEPS] [PLY]."""

import sys

import splatdream
import torch

steps, path = int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2] if len(sys.argv) > 2 else "outputs/sds.ply"
random = torch.Generator().manual_seed(0)
prior = splatdream.load_prior("toybox-sd")
texts = prior.encode_texts([f"an orange cat, {view} view" for view in ("front", "side", "back", "side")])
empty = prior.encode_texts([""])[torch.zeros(4, dtype=torch.long)]
start = splatdream.ball(1000, 0.6, random)
values = {name: torch.nn.Parameter(value) for name, value in start.tensors().items()}
adam = torch.optim.Adam([{"params": [value], "lr": 0.01} for value in values.values()], eps=1e-15)
for step in range(steps):
    azimuths = torch.tensor([0.0, 90, 180, 270]) + 60 * torch.rand(4, generator=random) - 30
    cameras, white = splatdream.orbit_cameras(torch.full((4,), 15.0), azimuths), torch.ones(4, 3)
    seen = splatdream.render(splatdream.GaussianCloud(**values), cameras, white, 0)
    latents, views = prior.encode_images(seen.rgb), splatdream.Views(cameras, white)
    t = torch.randint(20, 700, (4,), generator=random)
    noise = torch.randn(latents.shape, generator=random)
    with torch.no_grad():
        noisy = prior.schedule.add_noise(latents, noise, t)
        told, untold = (prior.predict_noise(noisy, t, words, views) for words in (texts, empty))
    # A loss of your own is these three lines.
    gradient = untold + 3 * (told - untold) - noise
    loss = (gradient * latents).mean()
    regularizer = 0.1 * values["log_scales"].exp().mean()
    adam.zero_grad()
    (loss + regularizer).backward()
    adam.step()
    if step % 50 == 0 or step == steps - 1:
        print(f"step {step + 1}: |gradient| {gradient.norm():.2f}", flush=True)
print(f"open this: {splatdream.write_ply(path, splatdream.GaussianCloud(**values).detach())}")
