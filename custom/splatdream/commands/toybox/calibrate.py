"""`splatdream toybox calibrate`: thresholds of `splatdream evaluate`, and the page about them."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...evaluation.distilled_cases import DistilledCase


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Measure results put together so that their verdict is known, fix thresholds on half of the objects and test "
        "them on the other half. A second call with the same --output goes on where the first one stopped."
    )
    parser.add_argument(
        "--output", default="outputs/calibration", metavar="FOLDER", help="default: outputs/calibration"
    )
    parser.add_argument(
        "--prior", nargs=2, default=["toybox-sd", "toybox-mvdream"], metavar="NAME", help="of single views, and of four"
    )
    parser.add_argument(
        "--runs", metavar="FOLDER", help="check the thresholds against the distilled results below it, too"
    )


def run(args: argparse.Namespace) -> int:
    from ...evaluation.calibration import calibrate
    from ...evaluation.calibration_records import measure_cases
    from ...evaluation.calibration_report import report
    from ...evaluation.constructed_cases import calibration_cases
    from ...evaluation.distilled_cases import check_distilled
    from ...evaluation.measurement import MeasurementPlan, plan_for
    from ...evaluation.thresholds_file import prior_fingerprint, write_calibration
    from ...priors.judges import load_judge
    from ...storage.atomic_file import write_text

    priors = [load_judge(name) for name in args.prior]
    plan = plan_for(priors, MeasurementPlan())
    prints = [prior_fingerprint(prior) for prior in priors]
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    cases = list(calibration_cases())
    records = measure_cases(cases, priors, plan, folder / f"cases-{'-'.join(prints)}.jsonl")
    result = calibrate(records, prints, plan.num_views, plan.num_noises)
    print(write_calibration(folder / "thresholds.json", result.calibration))
    distilled = None
    if args.runs:
        runs = list(_distilled_cases(Path(args.runs)))
        found = measure_cases(runs, priors, plan, folder / f"runs-{'-'.join(prints)}.jsonl")
        distilled = check_distilled(found, result.calibration)
    print(write_text(folder / "evaluation.md", report(result, len(cases), distilled)))
    return 0


def _distilled_cases(folder: Path) -> "Iterator[DistilledCase]":
    """The newest export of every run below the folder.

    Raises:
        FileNotFoundError: there is none.
    """
    from omegaconf import OmegaConf

    from ...assets.finished import open_asset
    from ...evaluation.distilled_cases import DistilledCase
    from ...toybox.vocabulary import parse_caption
    from ..evaluate import framed, newest_export

    configs = sorted(folder.glob("**/configs/parsed.yaml"))
    if not configs:
        raise FileNotFoundError(f"there is no run below {folder}: no configs/parsed.yaml")
    for config in configs:
        trial = config.parents[1]
        caption = parse_caption(OmegaConf.load(config).system.prompt_processor.prompt).without_view
        render, _ = framed(open_asset(newest_export(trial)))
        yield DistilledCase(str(trial.relative_to(folder)), caption, render)
