"""Results on disk, below the system's save folder. A file is complete or not there."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from ..storage.atomic_file import atomic_path


class SaverMixin:
    """`save_*` methods: each takes a file name relative to the save folder and returns the path it wrote."""

    _save_dir: str | None = None
    _wandb_logger: Any = None

    def set_save_dir(self, save_dir: str) -> None:
        self._save_dir = save_dir

    def get_save_dir(self) -> str:
        if self._save_dir is None:
            raise ValueError("this system has no save folder; call set_save_dir first")
        return self._save_dir

    def get_save_path(self, filename: str) -> str:
        """The path of a result, its folder made."""
        path = Path(self.get_save_dir(), filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)

    def create_loggers(self, loggers: Mapping) -> None:
        """`wandb: {enable: true, project: ..., name: ...}` is the one logger to choose; others are always there."""
        wandb = loggers.get("wandb")
        if wandb and wandb.get("enable"):
            from pytorch_lightning.loggers import WandbLogger

            try:
                self._wandb_logger = WandbLogger(project=wandb.get("project"), name=wandb.get("name"))
            except ImportError as error:
                raise ImportError("system.loggers.wandb needs wandb: pip install wandb") from error

    def get_loggers(self) -> list:
        return [self._wandb_logger] if self._wandb_logger else []

    def convert_data(self, data: Any) -> Any:
        """Tensors to numpy arrays, in lists and dicts too."""
        if isinstance(data, Tensor):
            return data.detach().cpu().numpy()
        if isinstance(data, list):
            return [self.convert_data(item) for item in data]
        if isinstance(data, dict):
            return {key: self.convert_data(item) for key, item in data.items()}
        return data

    def save_rgb_image(
        self,
        filename: str,
        img: Tensor | np.ndarray,
        data_format: str = "HWC",
        data_range: tuple[float, float] = (0, 1),
        name: str | None = None,
        step: int | None = None,
    ) -> str:
        """An image with 3 channels; more channels stand side by side in threes."""
        return self._save_pixels(filename, self._rgb(img, data_format, data_range), name, step)

    def save_grayscale_image(
        self,
        filename: str,
        img: Tensor | np.ndarray,
        data_range: tuple[float, float] | None = None,
        cmap: str | None = "jet",
        name: str | None = None,
        step: int | None = None,
    ) -> str:
        """An image [H, W] in gray (`cmap` None) or the colors of "jet"; `data_range` None is the image's own range."""
        return self._save_pixels(filename, self._grayscale(img, data_range, cmap), name, step)

    def save_image_grid(
        self,
        filename: str,
        imgs: Sequence,
        align: str | int | tuple[int, int] = "max",
        name: str | None = None,
        step: int | None = None,
        texts: Sequence | None = None,
    ) -> str:
        """Images side by side, or rows of them: {"type": "rgb" or "grayscale", "img": ..., "kwargs": {...}}."""
        image = Image.fromarray(self._grid(imgs, align))
        for i, text in enumerate(texts or ()):
            position = (2, image.height * i // len(texts) + 1)
            ImageDraw.Draw(image).text(position, str(text), "black", stroke_width=1, stroke_fill="white")
        return self._save_pixels(filename, np.asarray(image), name, step)

    def save_img_sequence(
        self,
        filename: str,
        img_dir: str,
        matcher: str,
        save_format: str = "mp4",
        fps: int = 30,
        name: str | None = None,
        step: int | None = None,
    ) -> str:
        """A video of the images in `img_dir` (below the save folder), ordered by the number that `matcher` captures."""
        import imageio.v2 as imageio

        if save_format not in ("mp4", "gif"):
            raise ValueError(f"save_format '{save_format}' must be 'mp4' or 'gif'")
        matches = [(re.search(matcher, path.name), path) for path in Path(self.get_save_dir(), img_dir).iterdir()]
        frames = sorted((int(match.group(1)), path) for match, path in matches if match)
        if not frames:
            raise FileNotFoundError(f"no image in '{img_dir}' matches '{matcher}'")
        path = self.get_save_path(_with_suffix(filename, f".{save_format}"))
        # H.264 needs even sides; imageio's default would resize to multiples of 16.
        options = {"macro_block_size": 2} if save_format == "mp4" else {"loop": 0}
        with atomic_path(path) as temporary:
            images = [np.asarray(Image.open(frame).convert("RGB")) for _, frame in frames]
            imageio.mimsave(temporary, images, fps=fps, **options)
        if name and self._wandb_logger:
            self._wandb_logger.log_video(name, [path], step=step, format=[save_format])
        return path

    def save_data(self, filename: str, data: Any) -> str:
        """.npz of a dict, .npy of an array."""
        data = self.convert_data(data)
        is_dict = isinstance(data, dict)
        path = self.get_save_path(_with_suffix(filename, ".npz" if is_dict else ".npy"))
        with atomic_path(path) as temporary:
            np.savez(temporary, **data) if is_dict else np.save(temporary, data)
        return path

    def save_json(self, filename: str, payload: Any) -> str:
        path = self.get_save_path(filename)
        with atomic_path(path) as temporary:
            Path(temporary).write_text(json.dumps(payload))
        return path

    def save_file(self, filename: str, src_path: str) -> str:
        """A copy of a file."""
        path = self.get_save_path(filename)
        with atomic_path(path) as temporary:
            shutil.copyfile(src_path, temporary)
        return path

    def _save_pixels(self, filename: str, pixels: np.ndarray, name: str | None = None, step: int | None = None) -> str:
        path = self.get_save_path(filename)
        with atomic_path(path) as temporary:
            Image.fromarray(pixels).save(temporary)
        if name and self._wandb_logger:
            self._wandb_logger.log_image(name, [path], step=step)
        return path

    def _rgb(
        self, img: Tensor | np.ndarray, data_format: str = "HWC", data_range: tuple[float, float] = (0, 1)
    ) -> np.ndarray:
        img = self.convert_data(img)
        img = img.transpose(1, 2, 0) if data_format == "CHW" else img
        if img.dtype != np.uint8:
            img = (_normalized(img, *data_range) * 255).astype(np.uint8)
        padding = -img.shape[-1] % 3
        img = np.concatenate([img, np.zeros((*img.shape[:2], padding), np.uint8)], axis=-1)
        return np.concatenate(np.split(img, img.shape[-1] // 3, axis=-1), axis=1)

    def _grayscale(
        self,
        img: Tensor | np.ndarray,
        data_range: tuple[float, float] | None = None,
        cmap: str | None = "jet",
    ) -> np.ndarray:
        img = np.nan_to_num(self.convert_data(img))
        gray = _normalized(img, *(data_range or (float(img.min()), float(img.max()))))
        if cmap is None:
            channels = [gray] * 3
        elif cmap == "jet":
            channels = [np.clip(1.5 - np.abs(4 * gray - center), 0, 1) for center in (3, 2, 1)]
        else:
            raise ValueError(f"cmap '{cmap}' must be None or 'jet'")
        return (np.stack(channels, axis=-1) * 255).astype(np.uint8)

    def _grid(self, imgs: Sequence, align: str | int | tuple[int, int]) -> np.ndarray:
        if isinstance(imgs[0], list):
            return np.concatenate([self._grid(row, align) for row in imgs], axis=0)
        kinds = {"rgb": self._rgb, "grayscale": self._grayscale}
        columns = [kinds[item["type"]](item["img"], **item.get("kwargs", {})) for item in imgs]
        if align in ("max", "min"):
            pick = max if align == "max" else min
            height, width = (pick(column.shape[axis] for column in columns) for axis in (0, 1))
        else:
            height, width = (align, align) if isinstance(align, int) else align
        sized = [
            column
            if column.shape[:2] == (height, width)
            else np.asarray(Image.fromarray(column).resize((width, height), Image.Resampling.BILINEAR))
            for column in columns
        ]
        return np.concatenate(sized, axis=1)


def _normalized(img: np.ndarray, low: float, high: float) -> np.ndarray:
    return (np.clip(img, low, high) - low) / max(high - low, 1e-12)


def _with_suffix(filename: str, suffix: str) -> str:
    return filename if filename.endswith(suffix) else filename + suffix
