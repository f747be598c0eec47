"""The page about a calibration, in Markdown."""

from .auc import Auc
from .calibration import CalibrationResult
from .calibration_cases import TRUE, VERDICTS
from .verdict import DECIDING, MEASURES, MIN_LOWER_BOUND, Verdict

_HEAD = """# Judging a result without the true object

Made by `splatdream toybox calibrate`; do not edit. {num_fit} objects ({fit}) fixed the thresholds.
All figures are of the other {num_test} ({test}).
{cases} results; {views} views at elevation 15, {noises} noises for each view and text.

```bash
splatdream evaluate cloud.ply --prompt "an orange cat" --output verdict      # evaluation.json and verdict.png
splatdream evaluate mesh.glb --prompt "an orange cat" --prior toybox-sd      # one judge instead of two
splatdream toybox calibrate --output outputs/calibration                     # this page and the thresholds
```

Results whose verdict is known are cut from toybox objects (`evaluation/constructed_cases.py`) and turned by a random
angle: the true object; its front half and its half-turned copy (two faces); a third of it three times (three faces);
its back half twice; the front picture on every side; objects without a front. Each as it is, and in another color
blurred to 16 x 16 pixels and paler by a fifth.

What each view shows is asked of a diffusion prior: which of "X, front view", "X, side view" and "X, back view"
denoises it best, with the same noises for every text and view (`evaluation/view_posterior.py`). A multi-view prior is
asked whether four sides are where their cameras say (`evaluation/camera_gap.py`).

The verdict: all sides alike, then `collapsed`, or `frontless` where no view word fits. Otherwise no front is
`faceless`, a second front `repeated`, else `ok`; and the camera gap has to agree, or the verdict is `unsure`. Where
the prompt is the toybox's, the verdict is that of the true object ([toybox.md](toybox.md)), and a disagreement is
said.

## Each measure against each kind of case

Area under the ROC curve against true objects, in brackets the lower bound of its 95 % interval (bootstrapped over
objects). 0.5 is chance; below 0.5 the measure runs the other way.
"""
_TAIL = """
## What this does not show

- **Only constructed results.** Distilled ones are irregular, too. The check against several hundred distilled results
  has not been run; until then a verdict without the true object is a hint.
- Constructed results repeat exactly, so `best similarity` is perfect by construction and is not used. `least
  similarity` only decides whether all sides are one picture.
- Calibrated for the packaged priors alone. With other weights, fewer views or fewer noises the measures are reported
  and the verdict is `unsure`.
- A prior that distilled a result favors its own errors: in a study another one has to judge. `evaluation.json` says
  which judged.
- Negative control: with the view words permuted for every single render the AUC is {control}. What is above 0.5 there
  rests on how sure the prior is of any word, not on which.
- `frontless` without the true object means: all sides alike, and no view word fits. A square cake is alike only every
  quarter turn.
"""


def report(result: CalibrationResult, num_cases: int) -> str:
    """The whole page."""
    calibration = result.calibration
    control = ", ".join(f"{name} {_bracketed(auc)}" for name, auc in result.control.items())
    head = _HEAD.format(
        num_fit=len(result.fit_objects),
        fit=", ".join(result.fit_objects),
        num_test=len(result.test_objects),
        test=", ".join(result.test_objects),
        cases=num_cases,
        views=calibration.num_views,
        noises=calibration.num_noises,
    )
    sections = [
        head,
        _auc_table(result),
        _threshold_table(result),
        _confusion_table(result),
        _TAIL.format(control=control),
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
        detects = MEASURES[name].detects
        found = "all sides alike" if detects is Verdict.COLLAPSED else detects.value
        side = "above" if MEASURES[name].sign > 0 else "below"
        used = "yes" if threshold.is_usable and name in DECIDING else "no"
        rows.append(
            [f"`{name}`", found, f"{side} {threshold.value:.3g}", f"{threshold.auc:.3f} ({threshold.low:.3f})", used]
        )
    text = f"\n## Thresholds\n\nMeasures whose lower bound is below {MIN_LOWER_BOUND} are reported and never used.\n\n"
    return text + _table(["measure", "detects", "threshold", "AUC (lower bound)", "used"], rows)


def _confusion_table(result: CalibrationResult) -> str:
    verdicts = [verdict.value for verdict in Verdict]
    rows = [
        [kind, right, *(str(result.confusion[kind].get(verdict, 0)) for verdict in verdicts)]
        for kind, right in VERDICTS.items()
    ]
    return "\n## Verdicts\n\n" + _table(["case", "right", *verdicts], rows)


def _bracketed(auc: Auc) -> str:
    return f"{auc.value:.2f} ({auc.low:.2f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
