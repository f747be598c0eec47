"""Times and peak memory of every part of the way from Gaussians to a textured mesh.

    python benchmarks/mesh.py                     # 20,000 and 50,000 faces, grids of 128 and 256
    python benchmarks/mesh.py --faces 20000 --resolutions 128 --cloud cloud.ply

Each configuration runs in a process of its own, so that its peak memory is its own. CPU seconds are those of all
threads together; on a machine that does other things, too, they say more than wall seconds.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(faces: int, resolution: int, texture_size: int, cloud_path: str | None) -> dict[str, object]:
    """One configuration in this process."""
    import torch
    from splatdream.commands.compose import surface_cloud
    from splatdream.gaussians.ply import read_ply
    from splatdream.meshing.extraction import ExtractionOptions
    from splatdream.texture.mesh_files import write_glb
    from splatdream.texture.mesh_from_cloud import BakingOptions, mesh_from_cloud
    from splatdream.texture.mesh_rendering import paint, rasterize
    from splatdream.texture.ray_casting import RayCaster
    from splatdream.texture.viewpoints import surrounding_cameras

    cloud = read_ply(cloud_path) if cloud_path else surface_cloud("an orange cat", num_views=24, size=64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, started_cpu = time.perf_counter(), time.process_time()
    result = mesh_from_cloud(
        cloud,
        ExtractionOptions(resolution=resolution, target_faces=faces),
        BakingOptions(texture_size=texture_size, view_size=256),
    )
    total, total_cpu = time.perf_counter() - started, time.process_time() - started_cpu
    seconds = dict(result.report["seconds"])
    textured = result.textured
    camera = surrounding_cameras(textured.mesh, 6, 512)[:1]
    texture = textured.texture.clone().requires_grad_()
    clock = time.perf_counter()
    fragments = rasterize(RayCaster(textured.mesh), camera, supersampling=1)
    seconds["rays of 512 x 512"] = time.perf_counter() - clock
    clock = time.perf_counter()
    paint(fragments, textured.layout, texture, torch.ones(1, 3)).square().sum().backward()
    seconds["texture lookup and gradient"] = time.perf_counter() - clock
    clock = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_glb(Path(folder) / "mesh.glb", textured)
    seconds["write GLB"] = time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "faces": faces,
        "resolution": resolution,
        "gaussians": len(cloud),
        "charts": result.report["unwrap"]["num_charts"],
        "seconds": seconds,
        "total_seconds": total,
        "total_cpu_seconds": total_cpu,
        "peak_mib": peak / 1024,
        "mib_before": before / 1024,
    }


def table(rows: list[dict[str, object]]) -> str:
    """A Markdown table, one column a configuration."""
    header = ["part"] + [f"{row['faces'] // 1000}k faces, grid {row['resolution']}" for row in rows]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for part in rows[0]["seconds"]:
        lines.append(f"| {part}, s | " + " | ".join(f"{row['seconds'][part]:.2f}" for row in rows) + " |")
    for name, key in (
        ("Gaussians to textured mesh, s", "total_seconds"),
        ("the same, CPU s", "total_cpu_seconds"),
        ("peak memory, MiB", "peak_mib"),
        ("of which before it began, MiB", "mib_before"),
        ("charts", "charts"),
    ):
        lines.append(f"| {name} | " + " | ".join(f"{row[key]:.4g}" for row in rows) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, nargs="+", default=[20_000, 50_000])
    parser.add_argument("--resolutions", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--texture-size", type=int, default=1024)
    parser.add_argument("--cloud", default=None, help="a PLY of Gaussians; default: a toybox cat of surface Gaussians")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.faces[0], args.resolutions[0], args.texture_size, args.cloud)))
        return
    rows = []
    for resolution in args.resolutions:
        for faces in args.faces:
            command = [sys.executable, __file__, "--one", "--faces", str(faces), "--resolutions", str(resolution)]
            command += ["--texture-size", str(args.texture_size), *(["--cloud", args.cloud] if args.cloud else [])]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(f"{faces} faces at {resolution}: {rows[-1]['total_seconds']:.1f} s", file=sys.stderr)
    print(table(rows))


if __name__ == "__main__":
    main()
