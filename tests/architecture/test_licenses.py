"""What the project installs is under licenses that let everybody use and change it."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PERMISSIVE = (
    "apache", "mit", "bsd", "0bsd", "isc", "psf", "python software foundation", "zlib", "cc0", "cnri", "bsl-1.0",
    "boost", "mpl", "mozilla public license", "unlicense", "hpnd",
)  # fmt: skip
# Packages whose metadata name no license; of each, what its repository or its license file says.
UNNAMED = {
    "embreex": "MIT, the Embree library in it Apache-2.0",
    "gsplat": "Apache-2.0",
    "nerfacc": "MIT",
}


def pinned() -> list[str]:
    """The packages of both requirement files, and all that they need."""
    names: set[str] = set()
    waiting = [
        line.split("==")[0]
        for file in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / file).read_text().splitlines()
        if "==" in line and not line.startswith("#")
    ]
    while waiting:
        name = waiting.pop().lower()
        found = installed(name)
        if name in names or found is None:
            continue
        names.add(name)
        for text in found.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return sorted(names)


def installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def license_of(found: Distribution) -> str:
    """As the metadata name it: the expression, else classifiers, else the first line of the text."""
    metadata = found.metadata
    classifiers = [line.split("::")[-1] for line in metadata.get_all("Classifier") or [] if line.startswith("License")]
    text = (metadata.get("License") or "").strip().splitlines()
    return metadata.get("License-Expression") or " AND ".join(classifiers) or (text[0] if text else "")


@pytest.mark.parametrize("name", pinned())
def test_a_package_is_under_a_license_that_is_allowed(name):
    if name in UNNAMED:
        return
    terms = re.split(r" AND | OR | WITH |[()&;]", license_of(distribution(name)))
    strange = [term for term in terms if term.strip() and not any(known in term.lower() for known in PERMISSIVE)]
    strange = [term for term in strange if "exception" not in term.lower()]
    assert any(map(str.strip, terms)), f"{name} names no license; look it up, and add it to UNNAMED"
    assert not strange, f"{name}: {license_of(distribution(name))}"


def test_the_readme_names_the_binary_that_is_under_another_license():
    text = (ROOT / "README.md").read_text()
    assert "imageio-ffmpeg" in text.split("## License")[1] and "GPL" in text.split("## License")[1]


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_the_lock_holds_the_pins_with_hashes_and_names_no_registry(name):
    pins = [line.split("#")[0].strip() for line in (ROOT / f"{name}.txt").read_text().splitlines() if "==" in line]
    lock = (ROOT / f"{name}.lock").read_text()
    for pin in pins:
        if not pin.startswith("torch=="):
            assert re.search(rf"^{re.escape(pin.lower())}\b", lock, re.MULTILINE), f"{pin}: make {name}.lock again"
    packages = re.findall(r"^[a-z].*==.*\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", lock, re.MULTILINE)
    assert len(packages) == len(re.findall(r"^[a-z].*==", lock, re.MULTILINE))
    assert "://" not in lock
