"""`splatdream doctor`: what is here, what will be used, what is missing for which feature and how to add it."""

import argparse
import importlib.util
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Feature:
    """Something that works when its packages are installed."""

    name: str
    modules: tuple[str, ...]
    """Import names."""
    command: str
    """What adds them."""
    is_essential: bool = False

    def missing(self) -> list[str]:
        return [name for name in self.modules if not is_present(name)]

    def state(self) -> str:
        missing = self.missing()
        return f"needs {', '.join(missing)}: {self.command}" if missing else "ready"


FEATURES = (
    Feature(
        "training",
        ("torch", "pytorch_lightning", "omegaconf", "jaxtyping", "nerfacc"),
        "pip install -r requirements.txt",
        True,
    ),
    Feature("rendering on a CPU", ("numba",), "pip install numba", True),
    Feature("rendering on a GPU", ("gsplat",), "pip install 'splatdream[cuda]'"),
    Feature("turntable videos", ("imageio_ffmpeg",), "pip install imageio-ffmpeg"),
    Feature("live view", ("viser",), "pip install 'splatdream[viewer]'"),
    Feature(
        "Stable Diffusion and MVDream", ("diffusers", "transformers"), "pip install diffusers transformers accelerate"
    ),
    Feature("variational score distillation", ("peft",), "pip install peft"),
    Feature(
        "meshes and textures",
        ("skimage", "fast_simplification", "xatlas", "embreex", "trimesh"),
        "pip install scikit-image fast-simplification xatlas embreex trimesh",
    ),
    Feature("plots", ("matplotlib",), "pip install 'splatdream[report]'"),
)


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """No options."""


def run(args: argparse.Namespace) -> int:
    """Prints the report; the exit code is 1 when something essential is missing or broken."""
    print(f"python          {platform.python_version()} ({sys.executable})")
    for name in ("splatdream", "torch", "numpy", "pytorch-lightning", "omegaconf"):
        print(f"{name:<15} {installed_version(name) or 'not installed'}")
    print(f"host            {describe_host()}")
    print(f"device          {describe_device()}")
    print(f"rasterizer      {describe_rasterizer()}")
    print(f"kernels         {describe_kernel_cache()}")
    problem = torchvision_problem()
    print(f"torchvision     {problem or ('imports' if is_present('torchvision') else 'absent, which is fine')}")
    print("\nfeature                          state")
    for feature in FEATURES:
        print(f"{feature.name:<32} {feature.state()}")
    is_healthy = problem is None and not missing_essentials()
    print("\nready" if is_healthy else "\nnot ready: see above")
    return 0 if is_healthy else 1


def missing_essentials() -> list[str]:
    """Import names without which nothing runs."""
    return [module for feature in FEATURES if feature.is_essential for module in feature.missing()]


def is_present(module: str) -> bool:
    """Whether a module could be imported; nothing is imported."""
    return importlib.util.find_spec(module) is not None


def installed_version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def torchvision_problem() -> str | None:
    """A torchvision that does not import breaks transformers, diffusers and torchmetrics; having none is fine."""
    if not is_present("torchvision"):
        return None
    outcome = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True, check=False)
    if outcome.returncode == 0:
        return None
    reason = (outcome.stderr.strip().splitlines() or ["no message"])[-1]
    return f"BROKEN ({reason}); it is not needed: pip uninstall torchvision"


def describe_host() -> str:
    from ..startup.host_choice import chosen_host

    try:
        host = chosen_host()
    except (ImportError, ValueError) as error:
        return f"BROKEN: {error}"
    return "upstream threestudio" if host == "upstream" else "embedded (threestudio is not installed)"


def describe_device() -> str:
    if not is_present("torch"):
        return "unknown: torch is not installed"
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})"
    return f"CPU, {torch.get_num_threads()} threads"


def describe_rasterizer() -> str:
    if is_present("torch"):
        import torch

        if torch.cuda.is_available():
            return "gsplat" if is_present("gsplat") else "none for CUDA: pip install 'splatdream[cuda]'"
    return "cpu (Numba)" if is_present("numba") else "none: pip install numba"


def describe_kernel_cache() -> str:
    """Where the compiled kernels are kept, and whether any are there already."""
    if not (is_present("numba") and is_present("torch")):
        return "unknown: numba or torch is not installed"
    from ..rendering import compilation, numba_projection

    folder = Path(numba_projection.project.stats.cache_path)
    state = "compiled" if compilation.are_compiled(folder) else "not compiled yet: the first render does it, once"
    return f"{state}, in {folder}, for {compilation.describe_processor()}"
