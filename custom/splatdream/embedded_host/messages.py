"""What the host says to the person at the terminal, without tearing the progress bar apart."""

import logging
import sys

from tqdm import tqdm

logger = logging.getLogger("splatdream")


class _AboveProgressBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def show_messages(verbose: bool, quiet: bool = False) -> None:
    """Print the host's messages to stderr; with `verbose` also its debug messages and those of pytorch-lightning.

    With `quiet` warnings alone.

    Call it after pytorch_lightning is imported, which sets its own level.
    """
    if not logger.handlers:
        logger.addHandler(_AboveProgressBar())
        logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.WARNING)


info = logger.info
debug = logger.debug
warn = logger.warning
