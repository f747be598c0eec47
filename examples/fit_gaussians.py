"""Fits Gaussians to views with known cameras: python examples/fit_gaussians.py [STEPS] [PLY]."""

import sys

import splatdream
import torch
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import trace

steps, path = int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2] if len(sys.argv) > 2 else "outputs/fit.ply"
random = torch.Generator().manual_seed(0)
azimuths = torch.arange(0, 360, 15.0)
cameras = splatdream.orbit_cameras(torch.full((24,), 20.0), azimuths)
rgba = trace(build_scene("a blue robot"), cameras)  # in place of photographs: any [24, 64, 64, 4] will do
photographs = rgba[..., :3] + (1 - rgba[..., 3:])  # on white
start = splatdream.ball(1000, 0.6, random)
values = {name: torch.nn.Parameter(value) for name, value in start.tensors().items()}
rates = {"means": 0.005, "log_scales": 0.01, "quats": 0.01, "opacity_logits": 0.05, "sh0": 0.02, "shN": 0.001}
adam = torch.optim.Adam([{"params": [values[name]], "lr": rates[name]} for name in values], eps=1e-15)
for step in range(steps):
    chosen = torch.randperm(24, generator=random)[:4]
    seen = splatdream.render(splatdream.GaussianCloud(**values), cameras[chosen], torch.ones(4, 3), 0)
    loss = (seen.rgb - photographs[chosen]).abs().mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    if step % 50 == 0 or step == steps - 1:
        print(f"step {step + 1}: loss {loss.item():.4f}", flush=True)
print(f"open this: {splatdream.write_ply(path, splatdream.GaussianCloud(**values).detach())}")
