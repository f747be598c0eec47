"""Builds the documentation site: python docs/site/build_site.py [FOLDER] (default: build/site).

FOLDER gets `docs`, the pages of this checkout together with those that are generated from the code, and `site`, to be
opened in a browser through any web server: python -m http.server -d build/site/site. A link to nowhere is an error.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from reference_pages import PAGES

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
TOP_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Pages of the site, in small letters, that stand at the top of the checkout."""


def assemble(folder: Path) -> None:
    """The sources of the site: what is written, and what is generated."""
    shutil.rmtree(folder, ignore_errors=True)
    docs = folder / "docs"
    shutil.copytree(ROOT / "docs", docs, ignore=shutil.ignore_patterns("site", "__pycache__"))
    for page in docs.rglob("*.md"):
        depth = len(page.relative_to(docs).parts)
        page.write_text(without_links_that_leave(page.read_text(), depth))
    for name in TOP_PAGES:
        (docs / name.lower()).write_text((ROOT / name).read_text().replace("](docs/", "]("))
    shutil.copy(HERE / "site.css", docs)
    (docs / "reference").mkdir()
    for name, make in PAGES.items():
        (docs / "reference" / name).write_text(make())
    settings = (HERE / "zensical.toml").read_text()
    where = f'\n[project.plugins.mkdocstrings.handlers.python]\npaths = ["{(ROOT / "custom").as_posix()}"]\n'
    (folder / "zensical.toml").write_text(settings + where)


def without_links_that_leave(text: str, depth: int) -> str:
    """Links to files of the checkout beside docs/ as the files' paths: the site does not have them.

    Args:
        depth: of the page, 1 in docs/ itself.
    """
    return re.sub(rf"\[([^\]]+)\]\((?:\.\./){{{depth}}}([^)]+)\)", r"\1 (`\2`)", text)


def build(folder: Path) -> Path:
    """The folder of the finished pages.

    Raises:
        subprocess.CalledProcessError: zensical found a mistake, such as a link to a page that is not there.
    """
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", str(folder / "zensical.toml")]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder / "site"


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "site")
    assemble(folder)
    try:
        print(f"open this: {build(folder) / 'index.html'}")
    except subprocess.CalledProcessError as error:
        print(error.stdout, error.stderr, sep="\n", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
