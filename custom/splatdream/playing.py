"""`splatdream playground`: every guidance method on images of one toybox object, side by side."""

from collections.abc import Sequence

import torch

from .cameras.batch import orbit_cameras
from .export.contact_sheet import contact_sheet
from .export.images import write_png
from .guidance.methods import guidance_method
from .guidance.playground import PlaygroundRun, PlaygroundSettings, play
from .priors.registered import RegisteredClosedFormPrior
from .prompts.view_prompts import make_view_prompts

_SIZE = 48
_VIEWS = {"front": (15.0, 0.0), "side": (15.0, 90.0), "back": (15.0, 180.0), "overhead": (75.0, 0.0)}
"""Elevation and azimuth in degrees of each column."""
# tau gives the images a width: without one, methods that compare noise levels have nothing to compare.
_PRIOR = {
    "condition": "view_words",
    "size": _SIZE,
    "num_images": 200,
    "num_unconditional_images": 176,
    "tau": 0.1,
}


def playground(prompt: str, methods: Sequence[str], num_steps: int, seed: int, output: str) -> None:
    """Writes a picture with a row a method, and prints what each cost.

    Raises:
        ValueError: an unknown method, a prompt that the toybox does not know, or no step at all.
    """
    if num_steps < 1:
        raise ValueError(f"--steps {num_steps} must be at least 1")
    for method in methods:
        guidance_method(method)  # before the images of the prior are made
    elevations, azimuths = zip(*_VIEWS.values(), strict=True)
    cameras = orbit_cameras(elevations, azimuths, width=_SIZE, height=_SIZE)
    print(f"{'method':<18}{'evaluations':>12}{'seconds':>9}", flush=True)
    runs = play(
        RegisteredClosedFormPrior(_PRIOR)(),
        make_view_prompts(prompt),
        cameras,
        methods,
        PlaygroundSettings(num_steps=num_steps, seed=seed),
        report=_print_cost,
    )
    images = torch.stack([run.images for run in runs])
    title = f"{prompt}, {num_steps} steps"
    write_png(output, contact_sheet(images, [run.method for run in runs], list(_VIEWS), title, zoom=2))
    print(f"{output}: {len(runs)} methods; evaluations of the denoiser are for an image and step")


def _print_cost(run: PlaygroundRun) -> None:
    print(f"{run.method:<18}{run.evaluations:>12.1f}{run.seconds:>9.1f}", flush=True)
