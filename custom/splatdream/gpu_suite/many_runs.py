"""The laboratory's work: training the small priors, and many runs at once on one GPU."""

import time
from concurrent.futures import ThreadPoolExecutor

from ..toybox_training.autoencoder_training import train_vae
from ..toybox_training.loop import LoopOptions
from ..toybox_training.setup import BankSizes, TrainingSetup
from .part import Part, Results, Settings
from .whole_runs import train


def measure(settings: Settings, results: Results) -> None:
    results.add(steps_a_second_of_the_small_autoencoder=_training_rate(settings))
    name, steps = ("tiny", 2) if settings.is_smoke else ("quickstart-sd", 100)
    for at_once in (1, 2) if settings.is_smoke else (1, 2, 4, 8):
        began = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            tags = [f"{at_once}-at-once-{i}" for i in range(at_once)]
            runs = list(pool.map(lambda tag: train(settings, name, tag, [f"trainer.max_steps={steps}"]), tags))
        seconds = time.perf_counter() - began
        results.add(**{f"{at_once}_at_once": {"runs_an_hour": 3600 * len(runs) / seconds, "steps_a_run": steps}})


def _training_rate(settings: Settings) -> float:
    """Steps a second of a call that goes on where an earlier one stopped."""
    first, second, images = (1, 2, 176) if settings.is_smoke else (50, 550, 1024)

    def until(steps: int) -> float:
        options = LoopOptions(steps=steps, batch_size=2 if settings.is_smoke else 32, device=settings.device.type)
        began = time.perf_counter()
        train_vae(
            TrainingSetup(
                settings.folder / "priors",
                options,
                banks=BankSizes(num_dressed=0, num_images=images, num_groups=images // 4),
            )
        )
        return time.perf_counter() - began

    until(first)
    return (second - first) / until(second)


PART = Part(
    "many",
    "more runs an hour with several at once, until the GPU or the host is full; where the curve bends is the number of "
    "workers for `splatdream lab run`.",
    measure,
)
