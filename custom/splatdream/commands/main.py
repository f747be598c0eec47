"""The `splatdream` command: one verb a subcommand. Heavy imports wait until a verb needs them."""

import argparse
import sys
import traceback
from collections.abc import Sequence

from ..startup.openmp import wait_without_spinning

EPILOG = """
examples:
  splatdream train --config configs/quickstart.yaml system.prompt_processor.prompt="a blue robot"
  splatdream export --config TRIAL/configs/parsed.yaml resume=TRIAL/ckpts/last.ckpt
  splatdream view outputs/quickstart/an_orange_cat@.../save/it600-export/cloud.ply
  splatdream view mesh.glb --page mesh.html
  splatdream generate "a blue robot wearing a red hat"
  splatdream compare --config configs/janus-demo.yaml --vary system.guidance.prior.condition=view_blind,view_words
  splatdream compose "toybox:a red cube" "toybox:a blue sphere@0.9,0,0" --output scene.ply --picture scene.png
  splatdream playground --prompt "a blue robot" --methods sds csd ism --output playground.png
  splatdream toybox methods-table --set janus --seeds 0 1 2
  splatdream doctor
"""

_LAUNCH_VERBS = {
    "train": "optimize what a YAML describes, then render the test views",
    "validate": "render the validation views of a checkpoint",
    "test": "render the turntable and the contact sheet of a checkpoint",
    "export": "write the files that other programs open",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code. An error that the user can mend is one sentence."""
    wait_without_spinning()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in _LAUNCH_VERBS:
        # These verbs have the command line of launch.py, overrides and all.
        from ..startup.launching import main as launch

        return launch([f"--{arguments[0]}", *arguments[1:]])
    args = _parser().parse_args(arguments)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        if args.verbose:
            traceback.print_exc()
        else:
            print(f"error: {' '.join(str(error).split())} (--verbose shows where)", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="splatdream",
        description="The laboratory for score distillation into 3D Gaussians.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for verb, text in _LAUNCH_VERBS.items():
        verbs.add_parser(verb, help=f"{text} (the command line of launch.py)", add_help=False)
    _add_doctor(verbs)
    _add_view(verbs)
    _add_generate(verbs)
    _add_compose(verbs)
    _add_compare(verbs)
    _add_playground(verbs)
    _add_toybox(verbs)
    for verb in verbs.choices.values():
        verb.add_argument("--verbose", action="store_true", help="the traceback of an error")
    return parser


def _add_doctor(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("doctor", help="what is installed, what will be used, what is missing")

    def run(args: argparse.Namespace) -> int:
        from .doctor import main as report

        return report()

    parser.set_defaults(run=run)


def _add_view(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("view", help="turn Gaussians or a mesh round in the browser")
    parser.add_argument("path", metavar="FILE", help="Gaussians (.ply, .splat) or a mesh (.glb, .obj, .ply, ...)")
    parser.add_argument("--port", type=int, default=8080, help="of the page (default: 8080)")
    parser.add_argument("--page", metavar="HTML", help="write a page that needs no network there, and end")

    def run(args: argparse.Namespace) -> int:
        from ..viewer.serve import serve_asset, write_asset_page

        if args.page is None:
            serve_asset(args.path, args.port)
        else:
            print(write_asset_page(args.path, args.page))
        return 0

    parser.set_defaults(run=run)


def _add_generate(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("generate", help="a sentence to Gaussians to a textured mesh, in one command")
    parser.add_argument("prompt", help='e.g. "an orange cat"')
    parser.add_argument("--folder", default="outputs/generate", help="results go there (default: outputs/generate)")
    parser.add_argument("--config", metavar="YAML", help="of the first stage (default: the quickstart)")
    parser.add_argument("--texture-config", metavar="YAML", help="of the second stage (default: toybox-texture)")
    parser.add_argument("--seed", type=int, default=0)

    def run(args: argparse.Namespace) -> int:
        from ..startup.launching import main as launch
        from .generate import generate

        chosen = {"config": args.config, "texture_config": args.texture_config}
        given = {name: value for name, value in chosen.items() if value is not None}
        generate(launch, args.prompt, args.folder, seed=args.seed, **given)
        return 0

    parser.set_defaults(run=run)


def _add_compose(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser(
        "compose",
        help="merge clouds by concatenation, each moved where it should stand",
        description="Each PART is a PLY file or toybox:CAPTION; *s after it scales it, @x,y,z then moves it.",
    )
    parser.add_argument("parts", nargs="+", metavar="PART", help='e.g. cat.ply "hat.ply*0.5@0,0,0.7"')
    parser.add_argument("--output", required=True, metavar="PLY", help="the merged cloud")
    parser.add_argument("--picture", metavar="PNG", help="a contact sheet of every part and of the whole")

    def run(args: argparse.Namespace) -> int:
        from .compose import compose

        compose(args.parts, args.output, args.picture)
        return 0

    parser.set_defaults(run=run)


def _add_compare(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser(
        "compare",
        help="run a configuration with several values of one key and see the results side by side",
        description="Variants that finished in an earlier call are not run again.",
    )
    parser.add_argument("--config", required=True, metavar="YAML", help="the run's configuration")
    parser.add_argument("--vary", required=True, metavar="KEY=A,B,...", help="e.g. system.guidance.method=sds,csd,ism")
    parser.add_argument("--folder", default="outputs/compare", help="runs go there (default: outputs/compare)")
    parser.add_argument("--picture", default="compare.png", metavar="PNG", help="one row a variant")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes that all variants share")

    def run(args: argparse.Namespace) -> int:
        from ..experiments.variants import compare
        from ..startup.launching import main as launch

        compare(launch, args.config, args.vary, args.folder, args.picture, args.overrides)
        return 0

    parser.set_defaults(run=run)


def _add_playground(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser(
        "playground",
        help="guidance methods on images instead of Gaussians, side by side in one picture",
        description="The prior is the exact denoiser of toybox images, so nothing is downloaded, or --model. "
        "docs/methods.md.",
    )
    parser.add_argument("--prompt", default="an orange cat", help="of the toybox (default: an orange cat)")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="e.g. sds csd ism (default: all)")
    parser.add_argument("--steps", type=int, default=200, help="optimizer steps (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the start, the noise and the timesteps (default: 0)")
    parser.add_argument(
        "--model", default="", metavar="NAME", help="Stable Diffusion by name or folder: toybox-sd, ..."
    )
    parser.add_argument("--guidance-scale", type=float, default=1.0, help="1 is no guidance (default: 1)")
    parser.add_argument("--output", default="playground.png", metavar="PNG", help="default: playground.png")

    def run(args: argparse.Namespace) -> int:
        from ..guidance.methods.registry import METHODS
        from .playground import playground

        methods = args.methods or list(METHODS)
        playground(args.prompt, methods, args.steps, args.seed, args.output, args.model, args.guidance_scale)
        return 0

    parser.set_defaults(run=run)


def _add_methods_table(actions: argparse._SubParsersAction) -> None:
    table = actions.add_parser(
        "methods-table",
        help="guidance methods on the small trained priors, at equal denoiser evaluations, measured",
        description="A second call goes on where the first one stopped. docs/methods.md says how to read the report.",
    )
    table.add_argument("--set", default="methods", choices=["methods", "janus"], help="of variants (default: methods)")
    table.add_argument("--variants", nargs="*", metavar="LABEL", help="of the set (default: all)")
    table.add_argument("--sd", default="toybox-sd", metavar="FOLDER", help="small Stable Diffusion (default: packaged)")
    table.add_argument("--mvdream", default="toybox-mvdream", metavar="FOLDER", help="likewise, of four views")
    table.add_argument("--prompts", nargs="*", metavar="TEXT", help="of the toybox (default: six)")
    table.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2], help="default: 0 1 2")
    table.add_argument("--evaluations", type=int, default=2400, help="of the denoiser, a run (default: 2400)")
    table.add_argument("--config", default="configs/quickstart-sd.yaml", metavar="YAML", help="what variants share")
    table.add_argument("--folder", default="outputs/methods-table", help="runs, results and the report")
    table.add_argument("--overrides", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the configuration")
    table.add_argument("--report", metavar="MD", help="with a CSV and a PNG beside it (default: FOLDER/SET.md)")

    def make_table(args: argparse.Namespace) -> int:
        from pathlib import Path

        from ..experiments.method_variants import MVDREAM, PROMPTS, STABLE_DIFFUSION, chosen_variants
        from ..experiments.methods_report import write_report
        from ..experiments.methods_table import TableRequest, run_table
        from ..startup.launching import main as launch

        request = TableRequest(
            variants=chosen_variants(args.set, args.variants),
            prompts=args.prompts or PROMPTS,
            seeds=args.seeds,
            evaluations=args.evaluations,
            models={STABLE_DIFFUSION: args.sd, MVDREAM: args.mvdream},
            config=args.config,
            folder=Path(args.folder),
            overrides=args.overrides,
        )
        report = Path(args.report) if args.report else request.folder / f"{args.set}.md"
        print(write_report(request, run_table(launch, request), report))
        return 0

    table.set_defaults(run=make_table)


def _add_mesh_table(actions: argparse._SubParsersAction) -> None:
    table = actions.add_parser("mesh-table", help="mesh every object, refine its texture and measure before and after")
    table.add_argument("--config", default="configs/quickstart.yaml", metavar="YAML", help="of the first stage")
    table.add_argument(
        "--texture-configs",
        nargs="*",
        default=["distilled=configs/toybox-texture.yaml", "painted=configs/toybox-texture-denoise.yaml"],
        metavar="NAME=YAML",
        help="of the second stage, by the name that the table gives it",
    )
    table.add_argument("--folder", default="outputs/mesh-table", help="runs and results; a second call goes on there")
    table.add_argument("--objects", nargs="*", metavar="NAME", help="default: all")
    table.add_argument("--overrides", nargs="*", default=[], metavar="KEY=VALUE", help="of every second stage")
    table.add_argument("--report", metavar="MD", help="write the table there, too")

    def make_table(args: argparse.Namespace) -> int:
        from ..experiments.mesh_table import make_mesh_table
        from ..startup.launching import main as launch

        pairs = [pair.partition("=") for pair in args.texture_configs]
        configs = {name: path for name, _, path in pairs}
        make_mesh_table(launch, args.config, configs, args.folder, args.objects, args.report, args.overrides)
        return 0

    table.set_defaults(run=make_table)


def _add_toybox(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("toybox", help="the small world for testing, teaching and benchmarking")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    gallery = actions.add_parser("gallery", help="a picture of every object")
    gallery.add_argument("--output", default="toybox.png", metavar="PNG")

    def draw_gallery(args: argparse.Namespace) -> int:
        from ..storage.images import write_png
        from ..toybox.gallery import gallery_image

        write_png(args.output, gallery_image())
        return 0

    gallery.set_defaults(run=draw_gallery)
    table = actions.add_parser("table", help="distill every object under every condition and measure the results")
    table.add_argument("--config", default="configs/quickstart.yaml", metavar="YAML")
    table.add_argument("--folder", default="outputs/toybox-table", help="runs and results; a second call goes on there")
    table.add_argument("--objects", nargs="*", metavar="NAME", help="default: all")
    table.add_argument("--conditions", nargs="*", default=["camera", "view_words", "view_blind"], metavar="CONDITION")
    table.add_argument("--overrides", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the configuration")
    table.add_argument("--report", default=None, metavar="MD", help="write the table there, too")

    def make_table(args: argparse.Namespace) -> int:
        from ..experiments.toybox_table import make_table as run_table
        from ..startup.launching import main as launch

        run_table(launch, args.config, args.folder, args.objects, args.conditions, args.report, args.overrides)
        return 0

    table.set_defaults(run=make_table)
    _add_methods_table(actions)
    _add_mesh_table(actions)
    _add_toybox_train(actions)
    _add_toybox_score(actions)


def _add_toybox_train(actions: argparse._SubParsersAction) -> None:
    parser = actions.add_parser(
        "train",
        help="train one of the small priors: first vae, then sd, then mvdream",
        description="A second call with the same --folder goes on where the first one stopped. docs/toybox-priors.md.",
    )
    parser.add_argument("network", choices=["vae", "sd", "mvdream"])
    parser.add_argument("--folder", default="outputs/toybox-priors", help="default: outputs/toybox-priors")
    parser.add_argument("--steps", type=int, default=0, help="optimizer steps in total, earlier calls included")
    parser.add_argument("--minutes", type=float, default=0.0, help="of this call")
    parser.add_argument("--batch-size", type=int, default=32, help="images (default: 32)")
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="default: 5e-4")
    parser.add_argument("--decay-steps", type=int, default=20000, help="where the learning rate ends (default: 20000)")
    parser.add_argument("--save-minutes", type=float, default=5.0, help="between saves (default: 5)")
    parser.add_argument("--start-from", metavar="FOLDER", help="sd, mvdream: finished weights to go on from")
    parser.add_argument("--images", type=int, default=16000, help="to train on (default: 16000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--bf16", action="store_true", help="forward passes in bfloat16")

    def run(args: argparse.Namespace) -> int:
        from pathlib import Path

        from ..toybox_training.image_bank import VIEWS_PER_GROUP
        from ..toybox_training.loop import LoopOptions
        from ..toybox_training.networks import DEFAULT_SIZES
        from ..toybox_training.trainings import BankSizes, train_mvdream, train_sd, train_vae

        options = LoopOptions(
            steps=args.steps,
            minutes=args.minutes,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            decay_steps=args.decay_steps,
            save_minutes=args.save_minutes,
            seed=args.seed,
            device=args.device,
            bf16=args.bf16,
        )
        trainings = {"vae": train_vae, "sd": train_sd, "mvdream": train_mvdream}
        more = {}
        if args.start_from:
            if args.network == "vae":
                raise ValueError("--start-from is for sd and mvdream; vae starts from nothing")
            more["start"] = Path(args.start_from)
        banks = BankSizes(num_images=args.images, num_groups=args.images // VIEWS_PER_GROUP)
        print(trainings[args.network](Path(args.folder), options, DEFAULT_SIZES, banks, **more))
        return 0

    parser.set_defaults(run=run)


def _add_toybox_score(actions: argparse._SubParsersAction) -> None:
    parser = actions.add_parser("score", help="how often a small prior's images show the right object, color and view")
    parser.add_argument("prior", metavar="PRIOR", help="toybox-sd or toybox-mvdream, the packaged ones, or a folder")
    parser.add_argument("--captions", type=int, default=44, help="of each kind, four views each (default: 44)")
    parser.add_argument("--guidance-scale", type=float, default=3.0, help="default: 3")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--output", default=None, metavar="JSON", help="write the numbers there, too")
    parser.add_argument("--picture", metavar="PNG", help="draw some of the images there")

    def run(args: argparse.Namespace) -> int:
        import json
        from pathlib import Path

        from ..priors.model_ids import packaged_folder
        from ..storage.atomic_file import write_text
        from ..toybox_training.score_report import ScoreOptions, score_prior

        options = ScoreOptions(args.captions, guidance_scale=args.guidance_scale, device=args.device)
        folder = packaged_folder(args.prior) or Path(args.prior)
        report = json.dumps(
            score_prior(folder, options, picture=Path(args.picture) if args.picture else None), indent=2
        )
        print(report)
        if args.output:
            write_text(args.output, report + "\n")
        return 0

    parser.set_defaults(run=run)
