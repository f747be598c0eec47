"""The `splatdream` command: finds the verb's file, and turns what the user can mend into one sentence."""

import argparse
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module

from .. import __version__
from ..startup.launching import error_text
from ..startup.openmp import wait_without_spinning

EPILOG = """
examples:
  splatdream train --config quickstart system.prompt_processor.prompt="a blue robot"
  splatdream export --config TRIAL/configs/parsed.yaml resume=TRIAL/ckpts/last.ckpt
  splatdream view outputs/quickstart/an_orange_cat@.../save/it600-export/cloud.ply
  splatdream view mesh.glb --output outputs/mesh.html
  splatdream studio --prompt "a blue robot"
  splatdream generate "a blue robot wearing a red hat" --dry-run
  splatdream list methods
  splatdream evaluate cloud.ply --prompt "an orange cat" --output outputs/verdict
  splatdream compare --config janus-demo --vary system.guidance.prior.condition=view_blind,view_words
  splatdream compose "toybox:a red cube" "toybox:a blue sphere@0.9,0,0" --output outputs/scene.ply
  splatdream compose configs/scenes/robot-with-a-cap.yaml --output outputs/robot-with-a-cap
  splatdream initialize asset.ply --frame trellis --picture outputs/understood.png
  splatdream playground --prompt "a blue robot" --methods sds csd ism --output outputs/playground.png
  splatdream lab run configs/experiments/guidance-scale.yaml --output outputs/scales --workers 2
  splatdream doctor
"""

_LAUNCH_VERBS = {
    "train": "optimize what a YAML describes, then render the test views",
    "validate": "render the validation views of a checkpoint",
    "test": "render the turntable and the contact sheet of a checkpoint",
    "export": "write the files that other programs open",
}


_VERBS = {
    "list": "what there is: methods, priors, configurations, words, ..., each with what it costs",
    "doctor": "what is installed, what will be used, what is missing",
    "view": "turn Gaussians or a mesh round in the browser",
    "studio": "start, watch and steer runs on a page in the browser",
    "generate": "a sentence to Gaussians to a textured mesh, in one command",
    "fit": "Gaussians from photographs or generated views with known cameras",
    "generate-views": "views of a sentence drawn from a multi-view prior, for `fit`",
    "initialize": "see how a file, a run or a 3D generator is understood as a start",
    "compose": "several objects in one scene: placed, edited, distilled each from its prompt, refined together",
    "evaluate": "judge one asset: one face, several, or none; and how it looks",
    "lab": "experiments: variants on prompts and seeds, measured and reported",
    "compare": "run a configuration with several values of one key and see the results side by side",
    "playground": "guidance methods on images instead of Gaussians, side by side in one picture",
    "toybox": "the small world for testing, teaching and benchmarking",
}
"""Each has a module of its name, with `configure(parser, arguments)` and `run(args)`, imported when it is asked for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code. An error that the user can mend is said in its own words."""
    wait_without_spinning()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in _LAUNCH_VERBS and "--dry-run" not in arguments:
        # These verbs have the command line of launch.py, overrides and all.
        from ..startup.launching import main as launch

        return launch([f"--{arguments[0]}", *arguments[1:]], f"splatdream {arguments[0]}")
    args = parse(arguments)
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever reads has read enough (`| head`). Python flushes once more when it ends, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        text = error_text(error)
        if args.verbose or text is None:
            traceback.print_exc()
        else:
            print(f"error: {text}", file=sys.stderr)
        return 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the verb that the arguments begin with; `run` is what it does with them.

    Ends the program, with the verb's own usage, where they cannot be read.
    """
    parser = argparse.ArgumentParser(
        prog="splatdream",
        description="The laboratory for score distillation into 3D Gaussians.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"splatdream {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for verb, text in _LAUNCH_VERBS.items():
        verbs.add_parser(verb, help=f"{text} (the command line of launch.py)", add_help=False)
    add_commands(verbs, _VERBS, __package__, arguments)
    if arguments[:1] == ["train"]:
        from .dry_run import run

        return argparse.Namespace(arguments=arguments, run=run, verbose="--verbose" in arguments)
    parser.set_defaults(parser=parser, run=_help, verbose=False)
    args, rest = parser.parse_known_args(arguments)
    # argparse takes changes of a configuration only where all of them stand together.
    is_change = {text: "overrides" in args and "=" in text and not text.startswith("-") for text in rest}
    for text in rest:
        if not is_change[text]:
            args.parser.error(f"there is nothing like {text}")
    if rest:
        args.overrides = [*args.overrides, *rest]
    return args


def _help(args: argparse.Namespace) -> int:
    args.parser.print_help()
    return 0


def add_commands(
    parsers: argparse._SubParsersAction, commands: Mapping[str, str], package: str, arguments: Sequence[str]
) -> None:
    """A parser for each command; that of the one which the arguments name gets its options from its module.

    Args:
        commands: one line of help each, by name; `package` has a module for each, with - as _.
    """
    for name, text in commands.items():
        parser = parsers.add_parser(name, help=text, description=text)
        if name not in arguments:
            continue
        parser.set_defaults(parser=parser)
        module = import_module(f".{name.replace('-', '_')}", package)
        module.configure(parser, arguments)
        if hasattr(module, "run"):
            parser.set_defaults(run=module.run)
            parser.add_argument("--verbose", action="store_true", help="the traceback of an error")
