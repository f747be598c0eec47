"""Frames as a video that browsers play (MP4).

The frames are taken one by one, so a long turntable needs the memory of a few frames.
"""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from ..storage.atomic_file import atomic_path
from ..storage.images import to_uint8

# Axes without a name: that all frames have one size is checked here, with a sentence for the user.
Frame = Float[Tensor, "_ _ 3"]
Pixels = UInt8[np.ndarray, "_ _ 3"]

# RGB to BT.709, and say so in the stream: players guess the matrix from the picture's size otherwise.
_COLOR_OPTIONS = (
    *("-vf", "scale=out_color_matrix=bt709:out_range=tv"),
    *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
)


def write_mp4(path: str | Path, frames: Iterable[Frame], fps: float = 30.0, crf: int = 18) -> int:
    """Writes an H.264 video, whole or not at all, and returns the number of frames.

    The pixel format is yuv420p, which every browser plays and which wants even sizes: an odd width or height gets its
    last column or row twice.

    Args:
        path: the file; its suffix should be .mp4.
        frames: RGB in [0, 1], all of one size; may be a generator.
        fps: frames a second.
        crf: x264's constant rate factor: 0 is lossless, 18 looks lossless, 51 is worst.

    Raises:
        ValueError: there is no frame, a frame has another size than the first, or a value is not finite.
        OSError: the file cannot be written.
    """
    from imageio_ffmpeg import get_ffmpeg_exe

    pixels = (_padded_to_even(frame) for frame in _of_one_size(frames))
    first = next(pixels, None)
    if first is None:
        raise ValueError("a video needs at least one frame, got none")
    height, width = first.shape[:2]
    command = [
        *(get_ffmpeg_exe(), "-y", "-loglevel", "error", "-nostdin"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "pipe:0"),
        *_COLOR_OPTIONS,
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", str(crf)),
        # The index goes to the front, so that a browser starts before it has everything.
        *("-movflags", "+faststart"),
    ]
    with atomic_path(path) as temporary:
        return _encode([*command, str(temporary.resolve())], chain([first], pixels))


def _encode(command: list[str], frames: Iterable[Pixels]) -> int:
    """Feeds the frames to ffmpeg and returns their number; OSError with ffmpeg's last line when it fails."""
    count = 0
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)
        try:
            for frame in frames:
                process.stdin.write(np.ascontiguousarray(frame).data)
                count += 1
            process.stdin.close()
            failed = process.wait() != 0
        except BrokenPipeError:
            process.wait()
            failed = True
        except BaseException:
            process.kill()
            process.wait()
            raise
        if failed:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            raise OSError(f"ffmpeg stopped at frame {count}: {lines[-1] if lines else 'no message'}")
    return count


def _of_one_size(frames: Iterable[Frame]) -> Iterator[Pixels]:
    """The frames in 8 bits; ValueError at the first whose size is not that of the first frame."""
    size = None
    for index, frame in enumerate(frames):
        size = size or tuple(frame.shape)
        if tuple(frame.shape) != size:
            raise ValueError(f"frame {index} has shape {tuple(frame.shape)}, but the first one has {size}")
        yield to_uint8(frame)


def _padded_to_even(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
