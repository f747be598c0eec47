"""The page about a calibration, in Markdown."""

import textwrap

from .auc import Auc
from .calibration import CalibrationResult
from .constructed_cases import TRUE, VERDICTS
from .distilled_cases import TRUTHS, DistilledCheck
from .rank_correlation import RankCorrelation
from .verdict import DECIDING, MEASURES, MIN_LOWER_BOUND, Verdict

_WIDTH = 118
_HEAD = """# Judging a result without the true object

{made}

```bash
splatdream evaluate cloud.ply --prompt "an orange cat" --output verdict      # evaluation.json and verdict.png
splatdream evaluate mesh.glb --prompt "an orange cat" --prior toybox-sd      # one judge instead of two
splatdream evaluate FOLDER --prompt "an orange cat"                          # views with cameras, see below
splatdream toybox calibrate --output outputs/calibration                     # this page and the thresholds
```

![The verdict about the front half of a distilled cat and its half-turned copy](images/verdict.png)

*The quickstart's cat with a face on either side. Shaded: front arcs by the prior's view words; crosses: the side of the
true object that each view resembles.*

```python
import torch
from splatdream.gaussians.composition import cat, select, transform
from splatdream.gaussians.ply import read_ply, write_ply

cloud = read_ply("cloud.ply")  # of the quickstart
half = select(cloud, cloud.means[:, 0] > 0)
write_ply("janus.ply", cat([half, transform(half, rotation=torch.diag(torch.tensor([-1.0, -1.0, 1.0])))]))
```

```bash
splatdream evaluate janus.ply --prompt "an orange cat" --output verdict
```

## How

Results whose verdict is known are cut from toybox objects (`evaluation/constructed_cases.py`) and turned by a random
angle: the true object; its front half and its half-turned copy (two faces); a third of it three times (three faces);
its back half twice; the front picture on every side; objects without a front. Each as it is, and in another color
blurred to 16 x 16 pixels and paler by a fifth.

What each view shows is asked of a diffusion prior: which of "X, front view", "X, side view" and "X, back view"
denoises it best, with the same noises for every text and view (`evaluation/view_posterior.py`). A multi-view prior is
asked whether four sides are where their cameras say (`evaluation/camera_gap.py`).

The verdict: `frontless` where no view word fits any side, `collapsed` where all sides are alike. Otherwise no front is
`faceless`, a second front `repeated`, else `ok`; and the camera gap has to agree, or the verdict is `unsure`. Where
the prompt is the toybox's, the verdict is that of the true object ([toybox.md](toybox.md)), and a disagreement is
said.

## A folder of views with cameras

In place of an asset stand images with cameras: `transforms.json`, a COLMAP model, or images alone with `--orbit NAME`
([photographs.md](photographs.md)), with alpha or before one plain ground, at least as large as the judge's.
Nothing is fitted and no view is made up:

- For each camera that a measure asks for the nearest view is taken, of its own and within 25 degrees. Where that is not
  possible all round, the measures round the circle are left out, and the camera gap where four sides are missing; a
  line says so. `appearance` is of all views.
- Judges are told the true cameras of these views, up to a turn. The calibration is of elevation 15 and exact azimuths:
  with views more than 5 degrees beside, the measures are reported and their verdict is `unsure`.
- A toybox prompt is compared with the true object by the views' own cameras (at most 16 of them), and the yaw map takes
  the nearest views. The front is where azimuth 0 is in the world of the cameras; in COLMAP's, which knows no front, the
  first camera, so that only the turned figures mean something.

```bash
splatdream toybox photograph "an orange cat" --size 64 --output outputs/cat
splatdream evaluate outputs/cat --prompt "an orange cat"
```

## Each measure against each kind of case

Area under the ROC curve against true objects, in brackets the lower bound of its 95 % interval (bootstrapped over
objects). 0.5 is chance; below 0.5 the measure runs the other way.
"""
_TAIL = """
## What this does not show

{distilled}
- Constructed results repeat exactly, so `best similarity` is perfect by construction and is not used. `least
  similarity` only decides whether all sides are one picture.
- Thresholds, biases and temperature come from half of the objects. The range of timesteps, the measures themselves and
  the order in which they decide were chosen with all objects in view, so the figures are a little too good.
- Calibrated for the packaged priors alone. With other weights, fewer views or fewer noises the measures are reported
  and the verdict is `unsure`.
- A prior that distilled a result favors its own errors: in a study another one has to judge. `evaluation.json` says
  which judged.
{control}
- *That* something is wrong is seen more surely than *what*: a third of a thing on wheels, three times round, looks like
  no view of it, so that it is called faceless.
"""


_NOT_DISTILLED = (
    "- **Only constructed results.** Distilled ones are irregular, too. The check against several hundred distilled "
    "results (`splatdream toybox calibrate --runs FOLDER`: verdicts, AUC, rank correlation with the yaw map) has not "
    "been run; until then a verdict without the true object is a hint."
)
_WITH_DISTILLED = "- Distilled results come from the runs that were given, and their verdicts from the true objects."


def report(result: CalibrationResult, num_cases: int, distilled: DistilledCheck | None = None) -> str:
    """The whole page; `distilled` is the check against distilled results, if it was made."""
    calibration = result.calibration
    control = (
        "- Negative control: with the view words permuted for every single render the AUC is "
        + ", ".join(f"{_bracketed(auc)} for `{name}`" for name, auc in result.control.items())
        + ". What is above 0.5 there rests on how sure the prior is of any word, not on which."
    )
    made = (
        f"Made by `splatdream toybox calibrate`; do not edit. {len(result.fit_objects)} objects "
        f"({', '.join(result.fit_objects)}) fixed the thresholds; all figures are of the other "
        f"{len(result.test_objects)} ({', '.join(result.test_objects)}). {num_cases} results; "
        f"{calibration.num_views} views at elevation 15, {calibration.num_noises} noises for each view and text."
    )
    head = _HEAD.format(made=textwrap.fill(made, _WIDTH))
    sections = [
        head,
        _auc_table(result),
        _threshold_table(result),
        _confusion_table(result),
        *([] if distilled is None else [_distilled_tables(distilled)]),
        _TAIL.format(
            control=_wrapped(control), distilled=_wrapped(_NOT_DISTILLED if distilled is None else _WITH_DISTILLED)
        ),
    ]
    return "\n".join(sections)


def _auc_table(result: CalibrationResult) -> str:
    kinds = [kind for kind in VERDICTS if kind != TRUE]
    rows = [
        [f"`{name}`", *(_bracketed(result.auc_by_kind[name][kind]) for kind in kinds), measure.meaning]
        for name, measure in MEASURES.items()
    ]
    return _table(["measure", *kinds, "what it is"], rows)


def _threshold_table(result: CalibrationResult) -> str:
    rows = []
    for name, threshold in result.calibration.thresholds.items():
        side = "above" if MEASURES[name].sign > 0 else "below"
        used = "yes" if threshold.is_usable and name in DECIDING else "no"
        rows.append(
            [
                f"`{name}`",
                MEASURES[name].detects.value,
                f"{side} {threshold.value:.3g}",
                f"{threshold.auc:.3f} ({threshold.low:.3f})",
                used,
            ]
        )
    text = f"\n## Thresholds\n\nMeasures whose lower bound is below {MIN_LOWER_BOUND} are reported and never used.\n\n"
    return text + _table(["measure", "detects", "threshold", "AUC (lower bound)", "used"], rows)


def _confusion_table(result: CalibrationResult) -> str:
    verdicts = [verdict.value for verdict in Verdict]
    rows = [
        [kind, right, *(str(result.confusion.get(kind, {}).get(verdict, 0)) for verdict in verdicts)]
        for kind, right in VERDICTS.items()
    ]
    return "\n## Verdicts\n\n" + _table(["case", "right", *verdicts], rows)


def _distilled_tables(check: DistilledCheck) -> str:
    verdicts = [verdict.value for verdict in Verdict]
    rows = [
        [right, *(str(found.get(verdict, 0)) for verdict in verdicts)]
        for right, found in sorted(check.confusion.items())
    ]
    aucs = [[f"`{name}`", MEASURES[name].detects.value, _bracketed(auc)] for name, auc in check.auc.items()]
    count = sum(sum(found.values()) for found in check.confusion.values())
    return (
        f"\n## {count} distilled results\n\nThe class by the true object, and the verdict without it.\n\n"
        + _table(["by the true object", *verdicts], rows)
        + "\n"
        + _table(["measure", "detects", "AUC (lower bound)"], aucs)
        + (_rank_table(check) if check.ranks else "")
    )


def _rank_table(check: DistilledCheck) -> str:
    rows = [
        [f"`{name}`", *("the same for all" if found is None else _ranked(found) for found in ranks.values())]
        for name, ranks in check.ranks.items()
    ]
    text = (
        "\nSpearman's rank correlation of each measure with numbers of the yaw map, in brackets its 95 % interval "
        "(bootstrapped over objects):\n\n"
    )
    return text + _table(["measure", *TRUTHS], rows)


def _ranked(found: RankCorrelation) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _wrapped(item: str) -> str:
    return textwrap.fill(item, _WIDTH, subsequent_indent="  ")


def _bracketed(auc: Auc) -> str:
    return f"{auc.value:.2f} ({auc.low:.2f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
