"""Which text describes what a camera sees."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.prompts.directions import ViewDirection, ViewThresholds, classify_views, describe_view
from splatdream.prompts.prompt_library import resolve_prompt
from splatdream.prompts.view_prompts import from_upstream, make_view_prompts
from splatdream.toybox.vocabulary import parse_caption

SIDE, FRONT, BACK, OVERHEAD = ViewDirection.SIDE, ViewDirection.FRONT, ViewDirection.BACK, ViewDirection.OVERHEAD


@pytest.mark.parametrize(
    ("elevation", "azimuth", "expected"),
    [
        (0, 0, FRONT),
        (0, 44.9, FRONT),
        (0, 45, SIDE),
        (0, 90, SIDE),
        (0, 135, SIDE),
        (0, 135.1, BACK),
        (0, 180, BACK),
        (0, -180, BACK),
        (0, 270, SIDE),
        (0, 350, FRONT),
        (60, 0, FRONT),
        (60.1, 0, OVERHEAD),
        (80, 180, OVERHEAD),
    ],
)
def test_directions_follow_the_thresholds_of_threestudio(elevation, azimuth, expected):
    direction = classify_views(torch.tensor([float(elevation)]), torch.tensor([float(azimuth)]))
    assert direction.item() == expected


def test_thresholds_can_be_moved():
    thresholds = ViewThresholds(front_deg=10, back_deg=80, overhead_deg=20)
    directions = classify_views(torch.tensor([0.0, 0, 30]), torch.tensor([15.0, 101, 0]), thresholds)
    assert directions.tolist() == [SIDE, BACK, OVERHEAD]


@pytest.mark.parametrize("style", ["suffix", "prefix"])
@pytest.mark.parametrize("direction", ViewDirection)
def test_the_toybox_reads_a_worded_view_back(style, direction):
    caption = parse_caption(describe_view("an orange cat", direction, style))
    assert (str(caption.without_view), caption.view_word) == ("an orange cat", direction.name.lower())


def test_a_bare_prompt_names_no_view():
    assert parse_caption("an orange cat").view_word is None


def test_an_unknown_wording_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="'postfix' is unknown; choose one of suffix, prefix"):
        describe_view("a cat", FRONT, "postfix")


def test_each_camera_gets_the_text_of_its_direction():
    prompts = make_view_prompts("a cat", negative_prompt="ugly", manual_texts={BACK: "a cat from behind"})
    cameras = orbit_cameras([0, 0, 0, 70], [0, 100, 180, 0])
    assert [prompts.texts[row] for row in prompts.rows(cameras)] == [
        "a cat, front view",
        "a cat, side view",
        "a cat from behind",
        "a cat, overhead view",
    ]
    assert {prompts.texts[row] for row in prompts.negative_rows(cameras)} == {"ugly"}


def test_without_view_dependence_every_camera_gets_the_bare_prompt():
    prompts = make_view_prompts("a cat", is_view_dependent=False)
    rows = prompts.rows(orbit_cameras([0, 0], [0, 180]))
    assert [prompts.texts[row] for row in rows] == ["a cat", "a cat"]


def test_a_suffix_goes_to_what_describes_the_object_only():
    prompts = make_view_prompts("a cat", negative_prompt="ugly").with_suffix(", 3d asset")
    assert prompts.texts[-3:] == ["a cat, 3d asset", "ugly", ""]
    assert all(text.startswith("a cat, ") and text.endswith("view, 3d asset") for text in prompts.texts[:-3])


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="prompt is empty"):
        make_view_prompts("  ")


def test_texts_of_an_upstream_prompt_processor_are_understood():
    class PromptProcessorOutput:
        prompt = "a cat"
        prompts_vd = ("a cat, side view", "a cat, front view", "a cat, back view", "a cat, overhead view")

    prompts = from_upstream(PromptProcessorOutput())
    assert prompts.texts[prompts.rows(orbit_cameras([0], [180]))[0]] == "a cat, back view"


def test_perp_negs_weights_of_an_upstream_prompt_processor_are_carried_over():
    class PromptProcessorOutput:
        prompt = "a cat"
        prompts_vd = ("side", "front", "back", "overhead")
        perp_neg_f_fs = (2.0, 0.0, 0.0)  # a constant 2 away from the front on the front half
        perp_neg_f_sb = (1, 0.5, -0.606)

    prompts = from_upstream(PromptProcessorOutput(), negative_prompt="ugly")
    assert prompts.perp_neg_terms(orbit_cameras([0], [60])).negative_weights[0] == -2
    assert prompts.decays.front_back == make_view_prompts("a cat").decays.front_back
    assert prompts.texts[prompts.negative_rows(orbit_cameras([0], [0]))[0]] == "ugly"


def test_an_object_without_texts_is_refused():
    with pytest.raises(TypeError, match="carries no texts"):
        from_upstream(object())


def test_library_keywords_stand_for_a_sentence():
    assert resolve_prompt("lib:orange_cat") == "an orange cat"
    assert resolve_prompt("a plain prompt") == "a plain prompt"


def test_ambiguous_and_unknown_keywords_name_the_candidates():
    with pytest.raises(ValueError, match=r"fits several prompts.*a blue robot"):
        resolve_prompt("lib:blue_robot")
    with pytest.raises(ValueError, match=r"fits no prompt.*an orange cat"):
        resolve_prompt("lib:orenge_cat")
