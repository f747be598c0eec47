"""The command line: one run, from a YAML to a trial folder."""

import argparse
import importlib.util
import os
import re
import shlex
import shutil
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .mistakes import error_text

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from omegaconf import DictConfig

    from .system import BaseSystem

PROG = "launch.py"
EXAMPLES = """
overrides change any key of the YAML; quote what the shell would read:
  system.prompt_processor.prompt="an orange cat"   trainer.max_steps=800   data.elevation_range_deg=[-10,60]
  system.geometry.position_lr=[0,0.005,0.0005,600]  (a schedule: start step, start, end, end step)

examples:
  python launch.py --config configs/tiny.yaml --train
  python launch.py --config configs/tiny.yaml --train seed=1 tag=second_try
  python launch.py --config TRIAL/configs/parsed.yaml --train resume=TRIAL/ckpts/last.ckpt trainer.max_steps=2000
  python launch.py --config TRIAL/configs/parsed.yaml --export resume=TRIAL/ckpts/last.ckpt
  python launch.py --config configs/tiny.yaml --train system.weights=TRIAL/ckpts/last.ckpt
  python launch.py --config configs/tiny.yaml --train system.geometry_convert_from=TRIAL/ckpts/last.ckpt

a run writes to <exp_root_dir>/<name>/<tag>@<time>/ (TRIAL above): configs/, ckpts/, save/, csv_logs/, tb_logs/, cmd.txt
"""

_MODES = {
    "train": "train, then render the test views",
    "validate": "render the validation views of resume=CHECKPOINT",
    "test": "render the test views of resume=CHECKPOINT",
    "export": "write files that other programs open",
}


def main(
    argv: Sequence[str],
    load_plugins: Callable[[], None],
    typechecked_packages: Sequence[str] = (),
    prog: str = PROG,
) -> int:
    """Run one command; the exit code.

    Args:
        argv: the arguments after the program's name.
        load_plugins: imports what registers classes; called before the configuration is read.
        typechecked_packages: whose annotations `--typecheck` makes the interpreter check.
        prog: how it was called: launch.py, or a program and its verb, which then stands first in `argv` as --verb.
    """
    args, overrides = parse_arguments(argv, prog)
    command = ["python", prog, *argv] if prog == PROG else [*prog.split(), *argv[1:]]
    try:
        with silent_writers():
            _run(args, overrides, load_plugins, typechecked_packages, command)
    except (KeyboardInterrupt, SystemExit):  # Lightning turns Ctrl-C into an exit
        print("interrupted; the checkpoints written so far are intact", file=sys.stderr)
        return 130
    except Exception as error:
        text = error_text(error)
        if args.verbose or args.typecheck or text is None:
            traceback.print_exc()
        else:
            print(f"error: {text}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def silent_writers() -> Iterator[None]:
    """Without tracebacks of threads that cannot write, as TensorBoard's on a full disk: it raises the error again in
    the thread that logs, where it becomes a sentence."""
    before = threading.excepthook

    def hook(thrown: threading.ExceptHookArgs) -> None:
        if not issubclass(thrown.exc_type, OSError):
            before(thrown)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def parse_arguments(argv: Sequence[str], prog: str = PROG) -> tuple[argparse.Namespace, list[str]]:
    """(options, overrides). Ends the program where an option is none of these."""
    is_verb, choice = prog != PROG, "(--train | --validate | --test | --export) "
    examples = (
        re.sub(r"python launch.py (--config \S+) --(\w+)", r"splatdream \2 \1", EXAMPLES) if is_verb else EXAMPLES
    )
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} --config YAML {'' if is_verb else choice}[options] [key=value ...]",
        description="Train, validate, test or export what a YAML describes.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", required=True, metavar="YAML", help="the run's configuration: a file, or the name of a shipped one"
    )
    mode = parser.add_mutually_exclusive_group(required=True)
    for name, text in _MODES.items():
        mode.add_argument(f"--{name}", action="store_true", help=argparse.SUPPRESS if is_verb else text)
    parser.add_argument("--output", metavar="FOLDER", help="runs go below it; the same as exp_root_dir=FOLDER")
    parser.add_argument(
        "--gpu",
        metavar="ID",
        help="CUDA device, or 'cpu' (default: 0, or the CPU where there is no CUDA device); its number is ignored "
        "where CUDA_VISIBLE_DEVICES is set",
    )
    if prog.endswith(" train"):
        parser.add_argument("--dry-run", action="store_true", help="print configuration and cost; make nothing")
    parser.add_argument("-q", "--quiet", action="store_true", help="warnings and errors alone")
    parser.add_argument("--verbose", action="store_true", help="debug messages, and the traceback of an error")
    parser.add_argument("--typecheck", action="store_true", help="check tensor shapes and types while running")
    parser.add_argument(
        "--allow-env", action="store_true", help="let ${oc.env:NAME} read the environment; what it reads is saved"
    )
    parser.add_argument("--gradio", action="store_true", help="not offered by this host")
    args, overrides = parser.parse_known_args(argv)
    for text in overrides:
        if text.startswith("-"):
            parser.error(f"there is no option {text}; changes of the configuration are key=value")
    return args, [f"exp_root_dir={args.output}", *overrides] if args.output else overrides


def _run(
    args: argparse.Namespace,
    overrides: list[str],
    load_plugins: Callable[[], None],
    typechecked_packages: Sequence[str],
    command: list[str],
) -> None:
    if args.gradio:
        raise ValueError("--gradio is not offered by the embedded host; leave it out, or run threestudio's launch.py")
    if args.gpu not in (None, "cpu") and not args.gpu.isdecimal():
        raise ValueError(f"--gpu '{args.gpu}' must be one device number or 'cpu': one run uses one device")
    # Both must be set before torch is imported.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if args.gpu != "cpu":
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", args.gpu or "0")
    if args.typecheck:
        _check_types_of(typechecked_packages)
    from .messages import show_messages
    from .whole_config import checked_config

    load_plugins()
    show_messages(args.verbose, args.quiet)
    config = checked_config(args.config, overrides, args.allow_env, n_gpus=1)
    _run_experiment(config, args, command)


def _run_experiment(config: "DictConfig", args: argparse.Namespace, command: list[str]) -> None:
    import pytorch_lightning as pl

    from .checkpoint_content import load_checkpoint
    from .checkpoints import AtomicCheckpointIO
    from .registry import find
    from .whole_config import trainer_options

    _check_output_folder(Path(config.trial_dir))
    options = trainer_options(config.trainer)
    if args.quiet:
        options["enable_progress_bar"] = False
    callbacks = _callbacks(config, options.get("enable_progress_bar", True), args.train)
    accelerator = _accelerator(args.gpu)
    if not args.verbose:
        # Advice for other kinds of training: worker processes, logging intervals, folders that exist.
        warnings.filterwarnings("ignore", module="pytorch_lightning")
    pl.seed_everything(config.seed, workers=True)
    checkpoint = load_checkpoint(config.resume) if config.resume else None
    done = checkpoint["global_step"] if checkpoint else 0
    if args.train:
        _check_steps(config, done)
    data = find(config.data_type)(config.data)
    system = find(config.system_type)(config.system, resumed=checkpoint is not None)
    system.set_save_dir(os.path.join(config.trial_dir, "save"))
    if args.train:
        system.prepare_training()
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=1,
        inference_mode=False,
        plugins=[AtomicCheckpointIO()],
        callbacks=callbacks,
        logger=_loggers(config.trial_dir, system) if args.train else False,
        **{"enable_model_summary": args.verbose, **options},
    )
    if args.train:
        _write_run_files(config, args, command)
        _train(trainer, system, done, datamodule=data, ckpt_path=config.resume)
        return
    if checkpoint is not None:
        system.set_resume_status(checkpoint["epoch"], done)
    _evaluate(trainer, args, system, datamodule=data, ckpt_path=config.resume)


def _accelerator(gpu: str | None) -> str:
    """Lightning's name for what `--gpu` asks for."""
    import torch

    from .messages import info

    is_cuda = gpu != "cpu" and torch.cuda.is_available()
    if not is_cuda and gpu not in (None, "cpu"):
        raise ValueError(f"--gpu {gpu} asks for a CUDA device, and torch finds none; leave it out to run on the CPU")
    info(f"device: {torch.cuda.get_device_name() if is_cuda else 'cpu'}")
    return "gpu" if is_cuda else "cpu"


def _train(trainer: "pl.Trainer", system: "BaseSystem", done: int, **what: Any) -> None:
    """Train on from a checkpoint of `done` steps, and render the test views."""
    trainer.fit(system, **what)
    if trainer.global_step == done > 0:
        # With no step to take, Lightning leaves out what ends a training; the run before may not have come so far.
        system.to(trainer.strategy.root_device)
        system.on_train_end()
    trainer.test(system, datamodule=what["datamodule"], verbose=False)


def _check_steps(config: "DictConfig", done: int) -> None:
    """Raises ValueError when a run of `done` steps is to be resumed to fewer."""
    wanted = config.trainer.get("max_steps", -1)
    if 0 <= wanted < done:
        raise ValueError(
            f"'{config.resume}' has {done} steps, and trainer.max_steps is {wanted}: set it to {done} to finish the "
            "results of that run, or to more to train on"
        )


def _evaluate(trainer: "pl.Trainer", args: argparse.Namespace, system: "BaseSystem", **what: Any) -> None:
    from .messages import info

    if what["ckpt_path"] is None:
        info("without resume=CHECKPOINT this is the initial state")
    if args.validate:
        trainer.validate(system, verbose=False, **what)
    elif args.test:
        trainer.test(system, verbose=False, **what)
    else:
        trainer.predict(system, return_predictions=False, **what)


def _check_output_folder(trial_dir: Path) -> None:
    """Fail before anything slow is loaded."""
    existing = next(folder for folder in (trial_dir, *trial_dir.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise PermissionError(f"cannot write to '{existing}'; set exp_root_dir to a folder that is yours")


def _write_run_files(config: "DictConfig", args: argparse.Namespace, command: list[str]) -> None:
    from omegaconf import OmegaConf

    from ..storage.atomic_file import atomic_path, remove_leftovers

    trial, source = Path(config.trial_dir), Path(args.config)
    remove_leftovers(trial)
    with atomic_path(trial / "configs" / "parsed.yaml") as temporary:
        OmegaConf.save(config, temporary)
    # A run resumed from its own parsed.yaml keeps the raw.yaml it began with: the interpolations are only there.
    is_resumed_trial = source.name == "parsed.yaml" and source.with_name("raw.yaml").is_file()
    source = source.with_name("raw.yaml") if is_resumed_trial else source
    if source.resolve() != (trial / "configs" / "raw.yaml").resolve():
        with atomic_path(trial / "configs" / "raw.yaml") as temporary:
            shutil.copyfile(source, temporary)
    with atomic_path(trial / "cmd.txt") as temporary:
        Path(temporary).write_text(f"{shlex.join(command)}\n{args}\n")


def _callbacks(config: "DictConfig", has_bar: bool, is_training: bool) -> list:
    from pytorch_lightning.callbacks import LearningRateMonitor

    from .checkpoints import Checkpoints
    from .progress import RunBar
    from .whole_config import check_arguments

    callbacks = [RunBar()] if has_bar else []
    if is_training:
        check_arguments(Checkpoints.__base__, config.checkpoint, "checkpoint")
        callbacks.append(Checkpoints(dirpath=os.path.join(config.trial_dir, "ckpts"), **config.checkpoint))
        callbacks.append(LearningRateMonitor(logging_interval="step"))
    return callbacks


def _loggers(trial_dir: str, system: "BaseSystem") -> list:
    from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

    loggers = [CSVLogger(trial_dir, name="csv_logs")]
    if importlib.util.find_spec("tensorboard") or importlib.util.find_spec("tensorboardX"):
        loggers.insert(0, TensorBoardLogger(trial_dir, name="tb_logs"))
    return loggers + system.get_loggers()


def _check_types_of(packages: Sequence[str]) -> None:
    if not importlib.util.find_spec("beartype"):
        raise ModuleNotFoundError("--typecheck needs beartype: pip install beartype")
    from jaxtyping import install_import_hook

    from . import typechecking

    install_import_hook(list(packages), f"{typechecking.__name__}.checked")
