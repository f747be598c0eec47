"""Settings of the prompt processor that could have no effect, or no meaning, are refused when it is built."""

import pytest
from splatdream.prompts.directions import ViewThresholds
from splatdream.prompts.processor import PromptProcessor


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"debiasing_words": [1]}, r"debiasing_words \[1\] have no effect without a model; set debiasing_model"),
        (
            {"is_view_dependent": False, "prompt_back": "a tail"},
            r"prompt_back has no effect .* is_view_dependent: true",
        ),
        ({"is_view_dependent": False, "debiasing_model": "bert-base-uncased"}, r"debiasing_model has no effect"),
        ({"front_threshold_deg": -5}, r"front_threshold_deg is -5\.0, but must be 0 to 180"),
        ({"front_threshold_deg": 120, "back_threshold_deg": 90}, r"120 and back_threshold_deg 90 overlap"),
        ({"overhead_threshold_deg": 200}, r"overhead_threshold_deg is 200\.0, but must be -90 to 90"),
        ({"view_wording": "infix"}, r"infix"),
    ],
)
def test_settings_without_effect_or_meaning_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        PromptProcessor({"prompt": "a cat"} | config)


def test_thresholds_may_touch():
    assert ViewThresholds(front_deg=90, back_deg=90).front_deg == 90
