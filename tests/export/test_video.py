import subprocess

import numpy as np
import pytest
import torch
from splatdream.export.video import write_mp4

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")


def _decoded(path) -> tuple[dict, np.ndarray]:
    reader = imageio_ffmpeg.read_frames(str(path))
    header = next(reader)
    width, height = header["size"]
    frames = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
    return header, np.stack(frames).astype(np.float32) / 255


def _colors(index: int) -> torch.Tensor:
    return torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.6, 0.2], [0.2, 0.3, 0.8], [0.8, 0.8, 0.2]])[index % 4]


def test_colors_order_and_rate_survive_the_encoder(tmp_path):
    frames = [_colors(i).expand(32, 48, 3) for i in range(8)]
    assert write_mp4(tmp_path / "turn.mp4", frames, fps=12, crf=10) == 8
    header, decoded = _decoded(tmp_path / "turn.mp4")
    assert header["fps"] == 12
    assert header["codec"] == "h264"
    assert header["pix_fmt"].startswith("yuv420p")
    assert decoded.shape == (8, 32, 48, 3)
    for index in range(8):
        np.testing.assert_allclose(decoded[index].mean((0, 1)), _colors(index), atol=0.02)


@pytest.mark.parametrize("size", [(33, 47), (64, 63), (31, 64), (17, 17)])
def test_an_odd_size_gets_its_last_row_or_column_twice(tmp_path, size):
    height, width = size
    ramp = torch.linspace(0, 1, width)[None, :, None].expand(height, width, 3)
    write_mp4(tmp_path / "turn.mp4", [ramp] * 2, crf=4)
    _, decoded = _decoded(tmp_path / "turn.mp4")
    assert decoded.shape[1:3] == (height + height % 2, width + width % 2)
    np.testing.assert_allclose(decoded[0, :height, :width], ramp, atol=0.04)


def test_frames_are_taken_one_by_one(tmp_path):
    alive = 0

    class Frame:
        """Counts how many frames exist at once."""

        def __init__(self):
            nonlocal alive
            alive += 1
            assert alive <= 3, "frames pile up"

        def image(self):
            return torch.zeros(16, 16, 3)

        def __del__(self):
            nonlocal alive
            alive -= 1

    def frames():
        for _ in range(50):
            yield Frame().image()

    assert write_mp4(tmp_path / "turn.mp4", frames()) == 50


def test_an_error_in_the_generator_leaves_no_file(tmp_path):
    def frames():
        yield torch.zeros(16, 16, 3)
        raise RuntimeError("the renderer broke")

    with pytest.raises(RuntimeError, match="the renderer broke"):
        write_mp4(tmp_path / "turn.mp4", frames())
    assert list(tmp_path.iterdir()) == []


def test_no_frame_or_another_size_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        write_mp4(tmp_path / "turn.mp4", [])
    with pytest.raises(ValueError, match=r"frame 1 has shape \(8, 10, 3\), but the first one has \(8, 8, 3\)"):
        write_mp4(tmp_path / "turn.mp4", [torch.zeros(8, 8, 3), torch.zeros(8, 10, 3)])
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_fails_is_one_sentence(tmp_path):
    # ffmpeg finds no container for this suffix.
    with pytest.raises(OSError, match=r"cannot write .*turn\.unknown: ffmpeg stopped at frame"):
        write_mp4(tmp_path / "turn.unknown", [torch.zeros(16, 16, 3)] * 3)
    assert list(tmp_path.iterdir()) == []


def test_a_browser_finds_the_index_at_the_front(tmp_path):
    write_mp4(tmp_path / "turn.mp4", [torch.zeros(16, 16, 3)] * 3)
    content = (tmp_path / "turn.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_the_color_matrix_is_written_into_the_stream(tmp_path):
    write_mp4(tmp_path / "turn.mp4", [torch.zeros(16, 16, 3)] * 2)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    shown = subprocess.run([ffmpeg, "-i", tmp_path / "turn.mp4"], capture_output=True, text=True, check=False)
    assert "bt709" in shown.stderr
