"""Frames a second of the viewer page on software WebGL: headless Chromium with SwiftShader, 512 pixels a side.

    python benchmarks/viewer.py                          # 200,000 Gaussians on a sphere, degree 0 and 3
    python benchmarks/viewer.py --ply cloud.ply          # or of a file

The page turns the object and draws as often as it can; the median time from one finished frame to the next counts.
Needs Chromium and the package websockets (it comes with viser).
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

import psutil
import torch
from splatdream.export.viewer_page import gaussian_model
from splatdream.export.writing import write_page
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.ply import read_ply
from splatdream.gaussians.spherical_harmonics import rgb_to_sh0

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "export"))
from conftest import Browser

SIZE = 512
# Waiting for one pixel waits for the whole frame.
TIMES = """(async () => {
    const gl = document.getElementById('view').getContext('webgl2');
    const times = [];
    const pixel = new Uint8Array(4);
    document.getElementById('turn').click();
    let last = performance.now();
    for (let frame = 0; frame < %d; frame++) {
        await new Promise(done => requestAnimationFrame(done));
        gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
        const now = performance.now();
        times.push(now - last);
        last = now;
    }
    document.getElementById('turn').click();
    return times.slice(2).sort((a, b) => a - b);
})()"""


def shell(count: int, sh_degree: int) -> GaussianCloud:
    """Gaussians as large as their distance on a sphere, mostly opaque, as a trained object has them."""
    generator = torch.Generator().manual_seed(0)
    means = 0.8 * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator))
    distance = 0.8 * math.sqrt(4 * math.pi / count)
    return GaussianCloud(
        means=means,
        log_scales=(distance * (0.5 + torch.rand(count, 3, generator=generator))).log(),
        quats=torch.randn(count, 4, generator=generator),
        opacity_logits=1 + 2 * torch.randn(count, generator=generator),
        sh0=rgb_to_sh0(means / 1.6 + 0.5)[:, None],
        shN=0.05 * torch.randn(count, (sh_degree + 1) ** 2 - 1, 3, generator=generator),
    )


def cpu_seconds(pid: int) -> float:
    """Of a process and all that it started: does not change with what else the machine does."""
    root = psutil.Process(pid)
    return sum(sum(process.cpu_times()[:2]) for process in [root, *root.children(recursive=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ply", help="a file of Gaussians in place of the sphere")
    parser.add_argument("--gaussians", type=int, default=200_000, help="on the sphere (default: 200000)")
    parser.add_argument("--frames", type=int, default=60, help="that are timed (default: 60)")
    args = parser.parse_args()
    clouds = [read_ply(args.ply)] if args.ply else [shell(args.gaussians, degree) for degree in (0, 3)]
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(Path(folder) / "profile")
        try:
            for cloud in clouds:
                page = Path(folder) / "page.html"
                write_page(page, gaussian_model(cloud), "a sphere")
                browser.open(f"{page.as_uri()}#plain", SIZE, SIZE)
                before = cpu_seconds(browser.pid)
                times = browser.evaluate(TIMES % args.frames)
                cpu_ms = 1000 * (cpu_seconds(browser.pid) - before) / args.frames
                median = times[len(times) // 2]
                print(
                    f"{len(cloud):,} Gaussians, degree {cloud.sh_degree}: median {median:.1f} ms, fastest "
                    f"{times[0]:.1f} ms, {1000 / median:.1f} frames a second; {cpu_ms:.0f} ms of processor time each",
                    flush=True,
                )
        finally:
            browser.close()


if __name__ == "__main__":
    main()
