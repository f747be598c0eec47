"""A folder of wheels from which a machine with torch, but without a network, gets what the suite needs besides."""

import subprocess
import sys
import zipfile
from pathlib import Path

PYTHON = "3.12"
WHEELS = (
    "gsplat==1.5.3",
    "diffusers==0.42.1",
    "omegaconf==2.4.0",
    "trimesh==5.2.0",
    "xatlas==0.0.11",
    "fast-simplification==0.2.0",
    "beartype==0.23.1",
)
"""Not among them, for their size: imageio-ffmpeg (turntables), embreex (meshes) and warp-lang (meshes on a GPU); the
suite says what is not run."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_24_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# Two thirds of gsplat's wheel: the documentation and the tests of a library of headers.
_UNUSED = ("/third_party/glm/doc/", "/third_party/glm/test/")


def fetch_wheels(folder: Path) -> int:
    """Downloads them for `PYTHON`, whatever runs here, and returns their size in bytes.

    Raises:
        RuntimeError: pip failed; the message has its last line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        PYTHON,
        "--implementation",
        "cp",
        "-d",
        str(folder),
    ]
    options += [option for platform in PLATFORMS for option in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *options, *WHEELS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip could not download the wheels: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    for wheel in folder.glob("gsplat-*.whl"):
        without_unused(wheel)
    return sum(path.stat().st_size for path in folder.glob("*.whl"))


def without_unused(wheel: Path) -> None:
    """The same wheel without files that nothing includes; pip does not miss them."""
    small = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for item in old.infolist():
            if not any(part in f"/{item.filename}" for part in _UNUSED):
                new.writestr(item.filename, old.read(item))
    small.replace(wheel)
