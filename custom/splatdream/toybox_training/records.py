"""The loss of every step: a CSV file that grows and survives a crash, and a picture of it."""

import csv
from pathlib import Path

from ..storage.atomic_file import atomic_path, write_text


class LossRecord:
    """Rows of step and loss; flushed at every save, cut back to the step that a run resumes from."""

    def __init__(self, path: Path, first_step: int) -> None:
        self.path = path
        self.rows: list[tuple[int, float]] = []
        if path.exists():
            with path.open(newline="") as file:
                rows = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
            self.rows = [row for row in rows if row[0] < first_step]

    def add(self, step: int, loss: float) -> None:
        self.rows.append((step, loss))

    def save(self) -> None:
        write_text(self.path, "step,loss\n" + "".join(f"{step},{loss:.6g}\n" for step, loss in self.rows))

    def draw(self, path: Path) -> None:
        """A PNG with the losses and their running mean, on logarithmic scales; nothing where matplotlib is missing."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return  # an optional package; the CSV has the numbers
        steps, losses = zip(*self.rows, strict=True)
        window = max(1, len(losses) // 50)
        means = [sum(losses[end - window : end]) / window for end in range(window, len(losses) + 1)]
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(steps, losses, color="0.8", linewidth=0.6)
        axes.plot(steps[window - 1 :], means, color="C0", label=f"mean of {window} steps")
        axes.set(xlabel="step", ylabel="loss", yscale="log")
        axes.legend()
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=100)
