"""`splatdream doctor`: what is here, what will be used, what is missing for which feature and how to add it.

With --gpu: whether the GPU does all that this package asks of it, and how fast.
"""

import argparse
import importlib.util
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_IMPORTING = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        reason = ""
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    print(name, reason, sep="\\t", flush=True)
"""


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

    def state(self, broken: Mapping[str, str]) -> str:
        """
        Args:
            broken: why modules that are there cannot be imported.
        """
        if missing := self.missing():
            return f"needs {', '.join(missing)}: {self.command}"
        reasons = [f"{name} cannot be imported ({broken[name]})" for name in self.modules if name in broken]
        return f"BROKEN: {'; '.join(reasons)}" if reasons else "ready"


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
    # Stable Diffusion 1 to 3 and XL, FLUX, MVDream, Zero-1-to-3; also the language models of debiasing.
    Feature(
        "networks (priors, CLIP, Shap-E)",
        ("diffusers", "transformers"),
        "pip install diffusers transformers accelerate",
    ),
    Feature("LoRA files, VSD, ESD", ("peft",), "pip install peft"),
    Feature("pictures without an alpha", ("rembg",), "pip install 'rembg[cpu]'"),
    Feature(
        "meshes and textures",
        ("skimage", "fast_simplification", "xatlas", "embreex", "trimesh"),
        "pip install scikit-image fast-simplification xatlas embreex trimesh",
    ),
    Feature("meshes traced on a GPU", ("warp",), "pip install 'splatdream[warp]'"),
    Feature("files as SPZ, SOG, glTF", ("gaussforge",), "pip install 'splatdream[formats]'"),
    Feature("plots", ("matplotlib",), "pip install 'splatdream[report]'"),
    Feature("tuning of studies", ("optuna",), "pip install 'splatdream[tune]'"),
    Feature("studies on Ray", ("ray",), "pip install 'splatdream[ray]'"),
)


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    gpu = parser.add_argument_group("the suite for GPUs (docs/gpu.md)")
    gpu.add_argument("--gpu", action="store_true", help="measure all parts that are not measured yet; up to 56 minutes")
    gpu.add_argument("--part", nargs="+", default=[], metavar="NAME", help="measure these parts, again if need be")
    gpu.add_argument("--smoke", action="store_true", help="at tiny size, also without a GPU: only that it runs")
    gpu.add_argument("--output", metavar="FOLDER", default="outputs/gpu", help="results (default: outputs/gpu)")
    gpu.add_argument("--page", metavar="FILE", help="the page about them (default: FOLDER/page.md)")
    gpu.add_argument("--fetch-wheels", metavar="FOLDER", help="fill a folder for a machine without a network, and end")
    gpu.add_argument("--in-process", metavar="NAME", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Prints the report; the exit code is 1 when something is missing, broken or was not measured to its end."""
    if args.fetch_wheels:
        from ..gpu_suite.wheels import fetch_wheels

        print(f"{fetch_wheels(Path(args.fetch_wheels)) / 2**20:.1f} MiB of wheels in {args.fetch_wheels}")
        return 0
    if args.gpu or args.part or args.in_process:
        return _measure(args)
    return _report()


def _measure(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError: there is no such part.
    """
    from ..gpu_suite.part import Settings
    from ..gpu_suite.suite import PARTS, measure_part, run_suite

    for name in [*args.part, *filter(None, [args.in_process])]:
        if name not in PARTS:
            raise ValueError(f"--part {name} is unknown; choose from {', '.join(PARTS)}")
    settings = Settings(Path(args.output), args.smoke)
    print(f"device: {settings.device}")
    if args.in_process:
        measure_part(PARTS[args.in_process], settings)
        return 0
    return 0 if run_suite(settings, args.part, page_path=Path(args.page) if args.page else None) else 1


def _report() -> int:
    print(f"python          {platform.python_version()} ({sys.executable})")
    for name in ("splatdream", "torch", "numpy", "pytorch-lightning", "omegaconf"):
        print(f"{name:<15} {installed_version(name) or 'not installed'}")
    print(f"host            {describe_host()}")
    print(f"device          {describe_device()}")
    print(f"rasterizer      {describe_rasterizer()}")
    print(f"kernels         {describe_kernel_cache()}")
    problem = torchvision_problem()
    print(f"torchvision     {problem or ('imports' if is_present('torchvision') else 'absent, which is fine')}")
    is_healthy = _report_features() and problem is None
    print("\nready" if is_healthy else "\nnot ready: see above")
    return 0 if is_healthy else 1


def _report_features() -> bool:
    """Whether nothing essential is missing, and all that is there can be imported."""
    print("\nfeature                          state")
    broken = import_errors([name for feature in FEATURES for name in feature.modules if is_present(name)])
    for feature in FEATURES:
        print(f"{feature.name:<32} {feature.state(broken)}")
    return not missing_essentials() and not broken


def missing_essentials() -> list[str]:
    """Import names without which nothing runs."""
    return [module for feature in FEATURES if feature.is_essential for module in feature.missing()]


def is_present(module: str) -> bool:
    """Whether a module could be imported; nothing is imported."""
    return importlib.util.find_spec(module) is not None


def import_errors(modules: Sequence[str]) -> dict[str, str]:
    """Why modules that are there fail to import. They are imported in another process, which may end as it likes."""
    child = subprocess.run([sys.executable, "-c", _IMPORTING, *modules], capture_output=True, text=True, check=False)
    ended = dict(line.split("\t", 1) for line in child.stdout.splitlines() if "\t" in line)
    unheard = f"the process ended with {child.returncode}"
    # Imports go in order: the first that said nothing is where a process that died was.
    reasons = {name: ended.get(name, unheard) for name in modules[: len(ended) + 1]}
    return {name: reason for name, reason in reasons.items() if reason}


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
    if host == "upstream":
        return "upstream threestudio"
    if Path("threestudio/__init__.py").is_file() and Path("launch.py").is_file():
        return "embedded; python launch.py in this folder is threestudio's own and runs upstream"
    return "embedded (threestudio is not installed)"


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
