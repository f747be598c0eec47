"""One picture of a study: a row a prompt, a column a variant, front and back of what each made."""

from itertools import product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ..export.contact_sheet import contact_sheet
from .cells import Cell, Study
from .findings import budgets
from .pictures import NUM_AZIMUTHS
from .records import Standing, picture_path

_EMPTY = 0.9


def overview(study: Study, folder: Path, now: Standing, budget: str) -> Float[Tensor, "H W 3"]:
    """Of the plan's first seed; gray where nothing was made yet.

    Raises:
        ValueError: the study has no such budget, or none of its results is there.
    """
    seed = study.cells[0].seed
    cells = {(cell.prompt, cell.variant): cell for cell in study.cells if (cell.budget, cell.seed) == (budget, seed)}
    if not cells:
        raise ValueError(f"the study has no budget {budget!r}; choose one of {', '.join(map(repr, budgets(study)))}")
    made = {place: _front_and_back(cell, folder) for place, cell in cells.items() if cell.key in now.finished}
    if not made:
        raise ValueError(f"nothing is there yet of {budget or 'this study'}; run it first")
    empty = torch.full_like(next(iter(made.values())), _EMPTY)
    prompts, variants = list(dict.fromkeys(cell.prompt for cell in study.cells)), list(study.settings)
    images = [made.get(place, empty) for place in product(prompts, variants)]
    return contact_sheet(torch.stack(images).unflatten(0, (len(prompts), len(variants))), prompts, variants)


def _front_and_back(cell: Cell, folder: Path) -> Float[Tensor, "H W 3"]:
    with Image.open(picture_path(folder, cell.key)) as image:
        strip = torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255)
    views = strip.chunk(NUM_AZIMUTHS, dim=1)
    return torch.cat([views[0], views[NUM_AZIMUTHS // 2]], dim=1)
