"""The true object beside what was made of it, where the prompt is one of the toybox's."""

from dataclasses import replace

import torch

from ..cameras.batch import CameraBatch
from ..evaluation.yaw_map import yaw_map
from ..export.plots import YawPoints
from ..export.summary_page import RunSummary
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import composite, trace
from ..toybox.vocabulary import FACED_OBJECTS, parse_caption


def with_truth(summary: RunSummary, cameras: CameraBatch) -> RunSummary:
    """The summary with the true object in its pictures and the yaw map of their first row.

    As it is where its title, a prompt, has words that the toybox does not know. The yaw map has as many azimuths as
    the row has views: a look, not the measure of `evaluation.ground_truth`.

    Args:
        cameras: of the pictures, row by row; they were taken on white.
    """
    try:
        caption = parse_caption(summary.title)
    except ValueError:
        return summary
    images = summary.pictures.images
    views = composite(trace(build_scene(caption), cameras.to("cpu")), torch.ones(len(cameras), 3))
    truth = views.reshape(images.shape)
    found = yaw_map(images[0], truth, 0, caption.object_name in FACED_OBJECTS)
    words = f"{found.label.value}; across: seen from, up: the side of the true object that looks most like it"
    return replace(
        summary,
        pictures=replace(summary.pictures, truth=truth),
        yaw=YawPoints(found.azimuth_deg.tolist(), found.matched_azimuth_deg.tolist(), words),
    )
