"""The results of the suite as a Markdown page."""

from collections.abc import Mapping
from typing import Any

from .part import Part, flat

HEAD = """# The suite for GPUs

One command measures on your GPU what this project says of GPUs, and writes this page.

```bash
splatdream doctor --gpu --page docs/gpu.md        # all parts, at most 8 minutes each
splatdream doctor --gpu --part guidance           # one part, again
splatdream doctor --gpu --smoke                   # at tiny size, also without a GPU: only that it runs
```

A part that fails does not stop the next one. What is measured is kept in `outputs/gpu`, a file a part; the same command
goes on where it stopped. Send those files along when you report a problem.

On a machine that has Python 3.12, torch with CUDA, nvcc and the usual packages, but no network: fill a folder elsewhere
(about 10 MiB), carry it there beside the repository, and install from it.

```bash
splatdream doctor --fetch-wheels .gpu-wheels
python -m pip install --no-index --no-deps --target .gpu-packages .gpu-wheels/*.whl
PYTHONPATH=custom:.gpu-packages python -m splatdream doctor --gpu
```

The usual packages are those of requirements.txt that the folder does not hold. Without imageio-ffmpeg runs end before
their turntable, without embreex there is no mesh, and without warp-lang meshes are traced on the host; these are too
large for the folder, and the suite goes on.
"""


def page(parts: Mapping[str, Part], records: Mapping[str, Mapping[str, Any]], is_smoke: bool) -> str:
    """Every part with what was expected of it and what was measured; nothing stands there that was not."""
    lines = [HEAD]
    if any(records.values()):
        measured = records.get("environment", {}).get("measured", {})
        lines += [f"Measured on: {measured.get('device', 'a device whose name was not asked for')}.", ""]
    else:
        lines += ["**Nothing of this was measured on a GPU yet.** Below stands what will be, and what is expected.", ""]
    if is_smoke:
        lines += ["A smoke run at tiny size: it says that everything runs, and **nothing of speed**.", ""]
    for name, part in parts.items():
        lines += [f"## {name}", "", f"Expected: {part.expected}", ""]
        if part.goals:
            lines += [f"Goals: {'; '.join(map(str, part.goals))}.", ""]
        record = records.get(name, {})
        lines += [*_measured(record), ""]
    return "\n".join(lines)


def _measured(record: Mapping[str, Any]) -> list[str]:
    if not record:
        return ["Not measured."]
    if record["status"] == "running":
        lines = ["Interrupted."]
    else:
        said = f"{record['status'].capitalize()} after {record['seconds']:g} s. {_in_one_line(record['problem'])}"
        lines = [said.strip(), *(f"- **missed**: {sentence}" for sentence in record["missed"])]
    lines += ["", "| measured | |", "|---|---|"]
    return lines + [f"| {name} | {_cell(value)} |" for name, value in flat(record["measured"]).items()]


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _in_one_line(str(value))


def _in_one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
