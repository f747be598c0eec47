"""Contact sheet: a table of images with a label for every row and every column.

R rows and C columns of images of H by W pixels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..storage.images import to_uint8

_INK, _PAPER = (40, 40, 40), (255, 255, 255)
_GAP_PX = 4
"""White pixels between neighbors."""


def contact_sheet(
    images: Float[Tensor, "R C H W 3"],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    title: str = "",
    zoom: int = 1,
) -> Float[Tensor, "sheet_height sheet_width 3"]:
    """One picture with the images in a grid on white, row labels at the left, column labels and a title above.

    Args:
        images: RGB in [0, 1].
        row_labels: one per row; "" for none. A label breaks at spaces when it is wider than an image.
        column_labels: one per column.
        title: one line over everything; "" for none.
        zoom: every pixel becomes a square of zoom x zoom pixels, so that small renders can be looked at.

    Raises:
        ValueError: the number of labels is not the number of rows or columns, or a value is not finite.
    """
    rows, columns, height, width = (int(size) for size in images.shape[:4])
    if len(row_labels) != rows or len(column_labels) != columns:
        raise ValueError(
            f"{rows} rows and {columns} columns of images need as many labels, "
            f"got {len(row_labels)} row labels and {len(column_labels)} column labels"
        )
    pixels = to_uint8(images).repeat(zoom, axis=2).repeat(zoom, axis=3)
    width, height = width * zoom, height * zoom
    font_px = max(13, height // 12)
    font = ImageFont.load_default(size=font_px)
    row_texts = [_wrapped(label, font, max_width_px=max(width, 8 * font_px)) for label in row_labels]
    column_texts = [_wrapped(label, font, max_width_px=width) for label in column_labels]
    row_label_width, row_label_height = _largest_size(row_texts, font)
    column_label_width, column_label_height = _largest_size(column_texts, font)
    # A single word may still be wider than an image.
    cell_width, cell_height = max(width, column_label_width), max(height, row_label_height)

    title_width, title_height = _text_size(title, font)
    left = _GAP_PX + _with_gap(row_label_width)
    top = _GAP_PX + _with_gap(title_height) + _with_gap(column_label_height)
    sheet_width = max(left + columns * (cell_width + _GAP_PX), title_width + 2 * _GAP_PX)
    sheet_height = top + rows * (cell_height + _GAP_PX)

    sheet = Image.new("RGB", (sheet_width, sheet_height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP_PX, _GAP_PX), title, font=font, fill=_INK)
    for column, text in enumerate(column_texts):
        middle = left + column * (cell_width + _GAP_PX) + cell_width / 2
        draw.multiline_text((middle, top - _GAP_PX), text, font=font, fill=_INK, anchor="md", align="center")
    for row, text in enumerate(row_texts):
        middle = top + row * (cell_height + _GAP_PX) + cell_height / 2
        draw.multiline_text((left - _GAP_PX, middle), text, font=font, fill=_INK, anchor="rm", align="right")
        for column in range(columns):
            x = left + column * (cell_width + _GAP_PX) + (cell_width - width) // 2
            y = top + row * (cell_height + _GAP_PX) + (cell_height - height) // 2
            sheet.paste(Image.fromarray(pixels[row, column]), (x, y))
    return torch.from_numpy(np.array(sheet)).to(torch.float32) / 255


def _with_gap(size_px: int) -> int:
    """What a label takes with the gap after it; nothing where there is none."""
    return size_px + _GAP_PX if size_px else 0


def _largest_size(texts: Sequence[str], font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Width of the widest and height of the highest, in pixels."""
    widths, heights = zip((0, 0), *(_text_size(text, font) for text in texts), strict=True)
    return max(widths), max(heights)


def _text_size(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Width and height in pixels; the height is that of whole lines, whatever the letters."""
    if not text:
        return 0, 0
    lines = text.split("\n")
    ascent, descent = font.getmetrics()
    line_spacing_px = 4  # the default of ImageDraw.multiline_text
    width = max(font.getlength(line) for line in lines)
    return int(np.ceil(width)), len(lines) * (ascent + descent) + (len(lines) - 1) * line_spacing_px


def _wrapped(label: str, font: ImageFont.FreeTypeFont, max_width_px: int) -> str:
    """The label with line breaks at spaces, so that each line fits where words allow it."""
    lines: list[str] = []
    for word in label.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= max_width_px:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return "\n".join(lines)
