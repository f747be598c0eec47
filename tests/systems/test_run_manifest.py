"""What a manifest says of the software behind a run."""

import sys
import types

from splatdream.systems.run_manifest import package_versions


def test_a_package_that_is_only_on_the_path_has_its_version_too(monkeypatch):
    # threestudio is a checkout, never an installed distribution.
    threestudio = types.ModuleType("threestudio")
    threestudio.__version__ = "0.2.3"
    monkeypatch.setitem(sys.modules, "threestudio", threestudio)
    assert package_versions()["threestudio"] == "0.2.3"


def test_a_package_that_is_nowhere_has_none(monkeypatch):
    monkeypatch.delitem(sys.modules, "threestudio", raising=False)
    assert package_versions()["threestudio"] is None
