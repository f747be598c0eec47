import pytest
from splatdream.embedded_host.registry import find, register


@register("registry-test-base")
class Base:
    def speak(self):
        return "base"


@register("registry-test-loud")
class Loud:
    def speak(self):
        return super().speak().upper()


def test_a_class_is_found_by_its_name():
    assert find("registry-test-base") is Base


def test_a_taken_name_is_refused_and_keeps_its_class():
    with pytest.raises(ValueError, match="registry-test-base"):
        register("registry-test-base")(Loud)
    assert find("registry-test-base") is Base


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(KeyError, match="did you mean 'registry-test-base'"):
        find("registry-test-bass")


def test_a_mixin_overrides_the_main_class():
    assert find("registry-test-base:registry-test-loud")().speak() == "BASE"
