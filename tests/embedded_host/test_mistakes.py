"""What is said of an error."""

import json

import pytest
from splatdream.embedded_host.config import read_config
from splatdream.embedded_host.mistakes import ADVICE, error_text
from splatdream.embedded_host.registry import find
from splatdream.priors.model_ids import candidates


def raised(function, *arguments):
    with pytest.raises(Exception) as caught:
        function(*arguments)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        raised(read_config, "no/such.yaml"),
        raised(find, "splatdream-sistem"),
        raised(candidates, "sd21-bass"),
        raised(open, "no/such/file"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_this_package_refuses_is_said_without_advice(error):
    assert error_text(error) and ADVICE not in error_text(error)


def test_what_a_library_refuses_comes_with_a_way_to_look_further():
    assert error_text(raised(json.loads, "{")).endswith(ADVICE)


def test_what_looks_like_a_bug_is_left_to_its_traceback():
    assert error_text(raised([].pop)) is None
    assert error_text(RuntimeError("the kernel failed")) is None


def test_lines_of_a_message_stay_lines():
    assert error_text(FileNotFoundError("Tried:\n  here  \n  there\n")) == "Tried:\n  here\n  there"
