"""Measures the CPU rasterizer: side by side with others in one run, threads, memory, the first image, a whole step.

    python benchmarks/rasterizer.py --memory --threads 2 --docs docs/rasterizer.md
    python benchmarks/rasterizer.py --gaussians 1000 5000 --pixels 64 --prototype PATH_TO_ANOTHER_RASTERIZER

Others: the dense torch reference (small sizes only), and a prototype folder with modules `raster` (class Raster) and
`common`. Contestants alternate (A B A B ...), so that a busy machine slows all of them; the least time of each counts.
With one thread the CPU time of that thread is measured, which other programs hardly disturb; with more, wall time.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Before torch is imported: its idle threads must not spin on the cores that are being measured.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # a prototype may use Numba's own threads

import torch

MAX_REFERENCE_WORK = 1000 * 64 * 64  # Gaussians times pixels that the dense reference is asked for
FOVY_DEG, RADIUS = 49.0, 2.5
DOCS_BEGIN, DOCS_END = "<!-- measured: begin -->", "<!-- measured: end -->"


def random_scene(num_gaussians: int) -> list[torch.Tensor]:
    """Means in the unit ball, quats, scales 0.02 to 0.05, opacities 0.1 to 0.9, colors."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(num_gaussians, 3, generator=generator), dim=-1)
    return [
        directions * torch.rand(num_gaussians, 1, generator=generator) ** (1 / 3),
        torch.randn(num_gaussians, 4, generator=generator),
        0.02 + 0.03 * torch.rand(num_gaussians, 3, generator=generator),
        0.1 + 0.8 * torch.rand(num_gaussians, generator=generator),
        torch.rand(num_gaussians, 3, generator=generator),
    ]


def orbit(num_cameras: int, pixels: int):
    from splatdream.cameras.batch import orbit_cameras

    elevations = torch.linspace(-20, 20, num_cameras)
    azimuths = torch.arange(num_cameras) * (360 / num_cameras) + 17
    return orbit_cameras(elevations, azimuths, RADIUS, FOVY_DEG, pixels, pixels)


def contestant(rasterization: Callable, scene: list, cameras, backward: bool) -> Callable[[], None]:
    """One forward pass of RGB, depth and alpha, or forward and backward to all parameters."""
    viewmats, Ks, size = cameras.viewmats, cameras.Ks, (cameras.width, cameras.height)
    gradients = [torch.randn(len(cameras), size[1], size[0], channels) for channels in (4, 1)]

    def forward() -> None:
        with torch.no_grad():
            rasterization(*scene, viewmats, Ks, *size, render_mode="RGB+D")

    def forward_and_backward() -> None:
        leaves = [tensor.detach().requires_grad_() for tensor in scene]
        images, alphas, _ = rasterization(*leaves, viewmats, Ks, *size, render_mode="RGB+D")
        torch.autograd.backward([images, alphas], gradients)

    return forward_and_backward if backward else forward


def prototype_contestant(folder: Path, scene: list, cameras, backward: bool) -> Callable[[], None]:
    sys.path.insert(0, str(folder))
    raster = importlib.import_module("raster")
    tile = (8, 16) if cameras.width <= 128 else (16, 16)
    workspace = raster.Raster(len(cameras), len(scene[0]), cameras.width, cameras.height, *tile)
    gradient = torch.randn(len(cameras), 5, cameras.height, cameras.width)
    viewmats, Ks = cameras.viewmats, cameras.Ks

    def forward() -> None:
        with torch.no_grad():
            raster.render(*scene, viewmats, Ks, workspace)

    def forward_and_backward() -> None:
        leaves = [tensor.detach().requires_grad_() for tensor in scene]
        raster.render(*leaves, viewmats, Ks, workspace).backward(gradient)

    return forward_and_backward if backward else forward


def race(contestants: dict[str, Callable[[], None]], seconds: float, clock: Callable[[], float]) -> dict:
    """Milliseconds of each, least and median, from alternating runs."""
    for run in contestants.values():
        run()
        run()
    times = {name: [] for name in contestants}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 5:
        for name, run in contestants.items():
            start = clock()
            run()
            times[name].append(1e3 * (clock() - start))
    return {name: {"min": min(t), "median": statistics.median(t)} for name, t in times.items()}


def measure_case(num_gaussians: int, pixels: int, options: argparse.Namespace) -> dict:
    """Times of one size: forward and forward+backward, all contestants, all numbers of threads."""
    from splatdream.rendering import cpu, reference

    scene, cameras = random_scene(num_gaussians), orbit(options.cameras, pixels)
    case = {"gaussians": num_gaussians, "pixels": pixels}
    for backward in (False, True):
        contestants = {"splatdream": contestant(cpu.rasterization, scene, cameras, backward)}
        if options.prototype:
            contestants["prototype"] = prototype_contestant(options.prototype, scene, cameras, backward)
        what = "forward+backward" if backward else "forward"
        torch.set_num_threads(1)
        case[what] = race(contestants, options.seconds, time.thread_time)
        if options.reference and num_gaussians * pixels**2 <= MAX_REFERENCE_WORK:
            # In a race of its own: its gigabyte would empty the caches of the others.
            dense = {"reference": contestant(reference.rasterization, scene, cameras, backward)}
            case[what] |= race(dense, options.seconds, time.thread_time)
        for num_threads in options.threads:
            torch.set_num_threads(num_threads)
            ours = {"splatdream": contestants["splatdream"]}
            wall = race(ours, options.seconds, time.perf_counter)["splatdream"]
            case[what][f"splatdream, {num_threads} threads, wall"] = wall
    if options.memory:
        case["peak_mib"] = measure_memory(num_gaussians, pixels, options.cameras)
    return case


def measure_memory(num_gaussians: int, pixels: int, num_cameras: int) -> float:
    """MiB that forward and backward add to the process, in a process of its own (Linux)."""
    command = [sys.executable, __file__, "--memory-of", *map(str, (num_gaussians, pixels, num_cameras))]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(result.stdout)


def print_memory_of(num_gaussians: int, pixels: int, num_cameras: int) -> None:
    from splatdream.rendering import cpu

    torch.set_num_threads(1)
    contestant(cpu.rasterization, random_scene(10), orbit(num_cameras, 16), backward=True)()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _memory_mib("VmRSS")
    contestant(cpu.rasterization, random_scene(num_gaussians), orbit(num_cameras, pixels), backward=True)()
    print(_memory_mib("VmHWM") - before)


def _memory_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024


FIRST_IMAGE = """
import time
start = time.perf_counter()
import torch
imported = time.perf_counter()
import sys
sys.path.insert(0, {folder!r})
import rasterizer
from splatdream.rendering import cpu
rasterizer.contestant(cpu.rasterization, rasterizer.random_scene(1000), rasterizer.orbit(1, 64), False)()
print(imported - start, time.perf_counter() - imported)
"""


def measure_first_image() -> dict:
    """Seconds of a fresh process with cached kernels: importing torch, and from then to the first image."""
    code = FIRST_IMAGE.format(folder=str(Path(__file__).parent))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    torch_seconds, image_seconds = map(float, result.stdout.split())
    return {"importing_torch_s": torch_seconds, "first_image_s": image_seconds}


def measure_step(num_gaussians: int, pixels: int, options: argparse.Namespace) -> dict:
    """A whole step without a prior (activations, render, backward, Adam) against forward+backward alone."""
    from splatdream.gaussians.cloud import GaussianCloud
    from splatdream.gaussians.spherical_harmonics import rgb_to_sh0
    from splatdream.rendering import cpu
    from splatdream.rendering.render import render

    means, quats, scales, opacities, colors = random_scene(num_gaussians)
    cloud = GaussianCloud(
        means=means,
        log_scales=scales.log(),
        quats=quats,
        opacity_logits=opacities.logit(),
        sh0=rgb_to_sh0(colors)[:, None],
        shN=torch.zeros(num_gaussians, 0, 3),
    )
    parameters = [tensor.requires_grad_() for tensor in cloud.tensors().values()]
    optimizer = torch.optim.Adam(parameters, lr=1e-9)  # so small that the scene stays the same
    cameras = orbit(options.cameras, pixels)
    gradient = torch.randn(options.cameras, pixels, pixels, 3)
    background = torch.ones(options.cameras, 3)

    def step() -> None:
        optimizer.zero_grad()
        render(cloud, cameras, background, 0).rgb.backward(gradient)
        optimizer.step()

    torch.set_num_threads(1)
    scene = random_scene(num_gaussians)
    contestants = {
        "render": contestant(cpu.rasterization, scene, cameras, backward=True),
        "step": step,
    }
    return race(contestants, options.seconds, time.thread_time)


def print_table(cases: list[dict]) -> None:
    """Markdown: milliseconds, and the ratio to whatever was raced against."""
    for what in ("forward", "forward+backward"):
        names = sorted({name for case in cases for name in case[what]}, key=lambda name: (len(name), name))
        names = ["splatdream", *(name for name in names if name != "splatdream")]
        print(f"\n{what}, milliseconds (times ours)\n")
        print("| Gaussians | pixels | " + " | ".join(names) + " |")
        print("|---" * (2 + len(names)) + "|")
        for case in cases:
            ours = case[what]["splatdream"]
            cells = [
                f"{case[what][name]['min']:.2f} ({case[what][name]['min'] / ours['min']:.2f}, medians "
                f"{case[what][name]['median'] / ours['median']:.2f})"
                if name in case[what]
                else ""
                for name in names
            ]
            print(f"| {case['gaussians']} | {case['pixels']} | " + " | ".join(cells) + " |")


def docs_tables(cases: list[dict], first_image: dict, step: dict) -> str:
    """What docs/rasterizer.md says of speed: a table by size, one of what more threads gain, and two sentences."""
    sizes = sorted({case["pixels"] for case in cases})
    by_size = {(case["gaussians"], case["pixels"]): case for case in cases}
    names = sorted(name for name in cases[0]["forward"] if name.startswith("splatdream, "))

    def table(cell: Callable[[dict], str]) -> list[str]:
        lines = [
            "| Gaussians | " + " | ".join(f"{pixels} px" for pixels in sizes) + " |",
            "|---" * (1 + len(sizes)) + "|",
        ]
        for gaussians in sorted({gaussians for gaussians, _ in by_size}):
            cells = [cell(by_size[gaussians, pixels]) for pixels in sizes]
            lines.append(f"| {gaussians:,} | " + " | ".join(cells) + " |")
        return lines

    def milliseconds(case: dict) -> str:
        times = [case[what]["splatdream"]["min"] for what in ("forward", "forward+backward")]
        cell = " / ".join(f"{time:.2f}" if time < 10 else f"{time:.0f}" for time in times)
        return f"{cell} / {case['peak_mib']:.0f}" if "peak_mib" in case else cell

    memory = " / peak memory of both in MiB" if "peak_mib" in cases[0] else ""
    lines = [f"One thread, ms: forward / forward and backward{memory}.", "", *table(milliseconds), ""]
    for name in names:

        def gain(case: dict, name: str = name) -> str:
            return " / ".join(
                f"{case[what]['splatdream']['min'] / case[what][name]['min']:.2f}"
                for what in ("forward", "forward+backward")
            )

        threads = name.split()[1]
        lines += [f"With {threads} threads, times as quick: forward / forward and backward.", "", *table(gain), ""]
    ratio = step["step"]["min"] / step["render"]["min"]
    lines += [
        f"A first image in a fresh process with cached kernels takes {first_image['first_image_s']:.1f} s beyond",
        "importing torch. A whole optimization step without a prior (activations, render, backward, Adam; 5,000",
        f"Gaussians, 64 px) takes {ratio:.2f} times as long as rendering forward and backward.",
    ]
    return "\n".join(lines)


def write_docs(text: str, page: Path) -> None:
    """Replaces what is between the two marks of the page."""
    before, rest = page.read_text().split(DOCS_BEGIN)
    _, after = rest.split(DOCS_END)
    page.write_text(f"{before}{DOCS_BEGIN}\n\n{text}\n\n{DOCS_END}{after}")


def save_plot(cases: list[dict], path: Path) -> None:
    """Time against the number of Gaussians, one line a size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2, sharey=True), ("forward", "forward+backward"), strict=True):
        for pixels in sorted({case["pixels"] for case in cases}):
            chosen = [case for case in cases if case["pixels"] == pixels]
            axes.loglog(
                [case["gaussians"] for case in chosen],
                [case[what]["splatdream"]["min"] for case in chosen],
                "o-",
                label=f"{pixels} px",
            )
        axes.set_title(what)
        axes.set_xlabel("Gaussians")
        axes.grid(True, which="both", alpha=0.2)
    figure.axes[0].set_ylabel("ms, one core")
    figure.axes[0].legend()
    figure.savefig(path, dpi=110)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gaussians", type=int, nargs="+", default=[1000, 5000, 20000, 100000])
    parser.add_argument("--pixels", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--cameras", type=int, default=4, help="views in one batch")
    parser.add_argument("--threads", type=int, nargs="*", default=[], help="also measure with these, wall time")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each race")
    parser.add_argument("--reference", action="store_true", help="race against the dense torch reference")
    parser.add_argument("--prototype", type=Path, help="race against the rasterizer in this folder")
    parser.add_argument("--memory", action="store_true", help="also measure the peak memory")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--docs", type=Path, help="write the tables between the two marks of this page")
    parser.add_argument("--memory-of", type=int, nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    if options.memory_of:
        print_memory_of(*options.memory_of)
        return
    from splatdream.rendering.compilation import describe_processor

    print(describe_processor())
    cases = []
    for pixels in options.pixels:
        for num_gaussians in options.gaussians:
            cases.append(measure_case(num_gaussians, pixels, options))
            print(f"{num_gaussians} Gaussians, {pixels} px: done", file=sys.stderr, flush=True)
    print_table(cases)
    if options.memory:
        print("\npeak memory, MiB\n")
        for case in cases:
            print(f"{case['gaussians']} Gaussians, {case['pixels']} px: {case['peak_mib']:.0f}")
    first_image = measure_first_image()
    step = measure_step(5000, 64, options)
    ratio = step["step"]["min"] / step["render"]["min"]
    print(f"\nfirst image with cached kernels: {first_image['first_image_s']:.2f} s after importing torch")
    print(f"a whole step (5000 Gaussians, 64 px) is {ratio:.2f} x rendering forward and backward")
    if options.json:
        machine = {"cpu": describe_processor(), "torch": torch.__version__}
        report = {"machine": machine, "cases": cases, "first_image": first_image, "step": step}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.docs:
        write_docs(docs_tables(cases, first_image, step), options.docs)
    if options.plot:
        save_plot(cases, options.plot)


if __name__ == "__main__":
    main()
