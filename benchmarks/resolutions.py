"""How a cloud of a toybox object looks at other resolutions than that of its training, against the true object.

    python benchmarks/resolutions.py outputs/quickstart/.../save/it600-export/cloud.ply "an orange cat"

A row a resolution: PSNR on white in dB and silhouette IoU over the held-out cameras of `splatdream.evaluation`, for the
file as it is, drawn as viewers draw it (classic) and with the opacity compensation of Mip-Splatting (antialiased).
"""

import argparse

import torch
from splatdream.evaluation.ground_truth import held_out_cameras
from splatdream.evaluation.image_metrics import psnr, silhouette_iou
from splatdream.gaussians.ply import read_ply
from splatdream.rendering.render import render
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace
from splatdream.toybox.vocabulary import parse_caption


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cloud", metavar="PLY")
    parser.add_argument("caption", help="of the toybox")
    parser.add_argument("--pixels", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--modes", nargs="+", default=["classic", "antialiased"])
    args = parser.parse_args()
    cloud, scene = read_ply(args.cloud), build_scene(parse_caption(args.caption).without_view)
    print(f"{'pixels':>6} " + " ".join(f"{mode + ' dB':>15} {'IoU':>6}" for mode in args.modes))
    for size in args.pixels:
        cameras = held_out_cameras(size=size)
        rgba = trace(scene, cameras)
        white = torch.ones(len(cameras), 3)
        cells = []
        for mode in args.modes:
            output = render(cloud, cameras, white, cloud.sh_degree, rasterize_mode=mode)
            quality = psnr(output.rgb.clamp(0, 1), composite(rgba, white)).mean()
            overlap = silhouette_iou(output.alpha, rgba[..., 3:]).mean()
            cells.append(f"{quality:>15.2f} {overlap:>6.3f}")
        print(f"{size:>6} " + " ".join(cells))


if __name__ == "__main__":
    main()
