"""The tests that need a GPU: gsplat's images and gradients, networks in half precision, steps that never wait."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from .part import Goal, Part, Results, Settings

TESTS = Path(__file__).parents[3] / "tests"
QUICK = "rendering/test_rasterizer_gsplat.py"


def measure(settings: Settings, results: Results) -> None:
    """
    Raises:
        FileNotFoundError: the package was installed without its repository.
    """
    if not TESTS.is_dir():
        raise FileNotFoundError(f"there are no tests at {TESTS}; run the suite from a checkout of the repository")
    report = settings.folder.resolve() / "marked-tests.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    chosen = TESTS / QUICK if settings.is_smoke else TESTS
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", f"--junitxml={report}"]
    said = subprocess.run([*command, str(chosen)], capture_output=True, text=True, check=False, cwd=TESTS.parent)
    if not report.is_file():
        raise RuntimeError(f"pytest wrote no report: {said.stdout[-1500:]} {said.stderr[-1500:]}")
    suite = ElementTree.parse(report).getroot().find("testsuite")
    report.unlink()
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    broken = [case.get("name") for case in suite.iter("testcase") if any(child.tag != "skipped" for child in case)]
    results.add(**counts, broken=broken[:40], output=said.stdout[-3000:] if broken else "")


PART = Part(
    "tests",
    "no test fails and, on a GPU, none is skipped for want of one.",
    measure,
    (Goal("failures", 0), Goal("errors", 0)),
)
