"""What options may be is declared beside them, and says so in one sentence."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from splatdream.host import parse_structured
from splatdream.options.option_range import LearningRate, OptionRange, RangeOfEach, RangeOfEnds


@dataclass
class Config:
    views: Annotated[int, OptionRange(1, remedy="one is enough")] = 4
    threshold: Annotated[float | None, OptionRange(0)] = None
    sizes: Annotated[list[int], RangeOfEach(1, 100)] = field(default_factory=lambda: [64])
    distance: Annotated[tuple[float, float], RangeOfEnds(0.1, 10)] = (1.0, 2.0)
    rate: Annotated[Any, LearningRate()] = 0.01


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"views": 0}, "views is 0, but must be at least 1; one is enough"),
        ({"threshold": -1.0}, "threshold is -1.0, but must be at least 0"),
        ({"sizes": [64, 0]}, r"sizes is \[64, 0\], but must be 1 to 100"),
        ({"distance": [2.0, 1.0]}, r"distance is \[2.0, 1.0\], but must be \[lowest, highest\]"),
        ({"distance": [0.0, 1.0]}, "must be 0.1 to 10"),
        ({"rate": -1}, "rate is -1, but must be 0 to 10; 0 does not train it"),
        ({"rate": [0, 0.1, 0, 100]}, "a schedule on a logarithm, and has a 0; take 1e-9"),
        ({"rate": float("nan")}, "must be a number or a schedule"),
        ({"rate": float("inf")}, "must be a number or a schedule"),
    ],
)
def test_a_value_beyond_its_range_is_refused_when_the_configuration_is_read(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_structured(Config, values)


def test_values_at_their_bounds_are_taken():
    values = {"views": 1, "threshold": None, "sizes": [1, 100], "distance": [0.1, 10.0], "rate": [0, 0.1, 1e-9, 100]}
    parsed = parse_structured(Config, values)
    assert parsed.views == 1 and list(parsed.sizes) == [1, 100] and parsed.threshold is None
