"""One training loop for all networks: budget, saves, resume, average, progress.

What is random in step k is drawn from generators keyed by (seed, stream, k), so a run that was interrupted goes on,
on the same machine, with the numbers that it would have had.
"""

import copy
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..storage.atomic_file import atomic_path
from ..storage.progress_bar import ProgressBar
from .records import LossRecord


def average_decay(step: int, decay: float) -> float:
    """Smaller at the start, so that the random weights are forgotten: (1 + step) / (10 + step) up to `decay`."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * network, weight by weight; buffers are copied."""
    mine = [weight.data for weight in average.parameters()]
    torch._foreach_lerp_(mine, [weight.data for weight in network.parameters()], 1 - decay)
    for kept, current in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(current)


STATE_FILE = "state.pt"


@dataclass(frozen=True)
class LoopOptions:
    """How long and how."""

    steps: int = 0
    """Optimizer steps in total, earlier calls included; 0 for no limit."""
    minutes: float = 0.0
    """Of this call; 0 for no limit."""
    batch_size: int = 32
    """Images."""
    learning_rate: float = 5e-4
    warmup_steps: int = 100
    decay_steps: int = 20000
    """The learning rate falls along a half cosine to a twentieth at this step. A constant, so that resuming with a
    larger budget changes no step."""
    average_decay: float = 0.999
    save_minutes: float = 5.0
    seed: int = 0
    device: str = "cpu"
    bf16: bool = False
    """Forward passes in bfloat16; weights, moments and averages stay float32."""

    def __post_init__(self) -> None:
        if self.steps <= 0 and self.minutes <= 0:
            raise ValueError("a training needs a budget; give --steps or --minutes")


def learning_rate_factor(step: int, warmup_steps: int, decay_steps: int) -> float:
    """Linear warm-up, then half a cosine from 1 to 0.05, then 0.05."""
    progress = min(1.0, step / max(1, decay_steps))
    return min(1.0, (step + 1) / max(1, warmup_steps)) * (0.05 + 0.475 * (1 + math.cos(math.pi * progress)))


def train(
    networks: nn.ModuleDict,
    loss_of_step: Callable[[int], Tensor],
    folder: Path,
    options: LoopOptions,
    identity: dict[str, object],
    on_save: Callable[[nn.ModuleDict, int], None],
) -> nn.ModuleDict:
    """Trains `networks` in place, from the state in `folder` where there is one; their averages.

    Args:
        networks: trained together; already on the device.
        loss_of_step: the loss of step k, of the current `networks`.
        identity: plain values (sizes, seed, batch size) that a state must share to be resumed.
        on_save: gets the averages and the number of steps done, whenever the state has been saved.

    Raises:
        ValueError: the state in the folder belongs to another training.
        FloatingPointError: the loss is not finite.
    """
    average = copy.deepcopy(networks).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(networks.parameters(), lr=options.learning_rate, weight_decay=1e-4)
    step = _resume(folder / STATE_FILE, identity, networks, average, optimizer)
    record = LossRecord(folder / "loss.csv", step)
    started = saved = time.monotonic()

    def save() -> None:
        state = {"step": step, "identity": identity, "optimizer": optimizer.state_dict()}
        state |= {"networks": networks.state_dict(), "average": average.state_dict()}
        with atomic_path(folder / STATE_FILE) as temporary:
            torch.save(state, temporary)
        if record.rows:
            record.save()
            record.draw(folder / "loss.png")
        on_save(average, step)

    first_step = step
    with _progress(options, step) as progress, _attention(options.device):
        try:
            while not _is_spent(options, step, started):
                networks.train()
                factor = learning_rate_factor(step, options.warmup_steps, options.decay_steps)
                for group in optimizer.param_groups:
                    group["lr"] = options.learning_rate * factor
                is_bf16 = (
                    torch.autocast(options.device.split(":")[0], torch.bfloat16) if options.bf16 else nullcontext()
                )
                with is_bf16:
                    loss = loss_of_step(step)
                value = float(loss.detach())
                if not value < float("inf"):
                    raise FloatingPointError(f"the loss of step {step} is {value}; lower --learning-rate")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(networks.parameters(), 1.0)
                optimizer.step()
                update_average(average, networks, average_decay(step, options.average_decay))
                record.add(step, value)
                step += 1
                progress.update(1)
                progress.set_postfix(loss=f"{value:.4f}", refresh=False)
                if time.monotonic() - saved > 60 * options.save_minutes:
                    save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            save()
            raise
    if step > first_step or not (folder / STATE_FILE).exists():
        save()
    return average


def _is_spent(options: LoopOptions, step: int, started: float) -> bool:
    is_over = options.minutes > 0 and time.monotonic() - started >= 60 * options.minutes
    return is_over or 0 < options.steps <= step


def _attention(device: str) -> AbstractContextManager[object]:
    """On a CPU the plain products: for 64 tokens torch's blocked kernel takes two to five times as long."""
    if device != "cpu":
        return nullcontext()
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:  # torch before 2.3 offers no choice
        return nullcontext()
    return sdpa_kernel(SDPBackend.MATH)


def _progress(options: LoopOptions, step: int) -> object:
    """Steps, rate and, where the number of steps is known, the remaining time."""
    return ProgressBar(total=options.steps or None, initial=step, unit="step")


def _resume(
    path: Path, identity: dict[str, object], networks: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> int:
    """The number of steps that were done; 0 where there is no state."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, value in identity.items():
        if state["identity"].get(name) != value:
            raise ValueError(
                f"{path} was trained with {name} = {state['identity'].get(name)}, not {value}; "
                "give the same value, or another --output"
            )
    networks.load_state_dict(state["networks"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]
