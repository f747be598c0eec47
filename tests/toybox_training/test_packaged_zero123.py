"""The small Zero-1-to-3 of the package draws other views of objects that it never saw."""

from pathlib import Path

import pytest
import splatdream
from splatdream.priors.model_ids import CHANGES, packaged_folder
from splatdream.priors.zero123 import load_parts
from splatdream.toybox_training.view_score import ViewScoreOptions, score_views

FOLDER = Path(splatdream.__file__).parent / "toybox_priors" / "toybox-zero123"


def test_it_takes_at_most_three_megabytes_and_becomes_whole():
    assert list(CHANGES) == [FOLDER.name]
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 3e6
    assert load_parts(FOLDER.name).unet.config.in_channels == 8


def test_views_of_unseen_objects_beat_answers_that_know_no_geometry():
    # A few objects, and of the training's its plain ones; all of them are asked for by the slow test.
    scored = score_views(
        packaged_folder(FOLDER.name), ViewScoreOptions(num_objects=4, num_shown_views=4, num_shown_dressed=0)
    )
    assert scored["psnr"] > max(scored["mean_image"], scored["nearest_training_view"]) + 2


@pytest.mark.slow
def test_over_all_of_the_training_they_win_by_three_decibels():
    scored = score_views(packaged_folder(FOLDER.name), ViewScoreOptions())
    assert scored["psnr"] >= scored["mean_image"] + 3
    assert scored["psnr"] >= scored["nearest_training_view"] + 3
