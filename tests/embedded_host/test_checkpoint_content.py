"""What is not worth resuming from is neither written nor read."""

import random
import re

import pytest
import torch
from splatdream.embedded_host.checkpoint_content import load_checkpoint
from splatdream.embedded_host.checkpoints import AtomicCheckpointIO


def a_checkpoint(step=3, weights=0.5, moments=0.0):
    return {
        "epoch": 0,
        "global_step": step,
        "state_dict": {"geometry.bias": torch.zeros(2), "geometry.means": torch.full((4, 3), weights)},
        "optimizer_states": [
            {
                "param_groups": [{"name": "geometry.means", "params": [0]}],
                "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.full((4, 3), moments)}},
            }
        ],
    }


@pytest.mark.parametrize(
    "defect, sentence",
    [
        ({"weights": float("nan")}, r"step 7 is not saved: geometry\.means has 12 values that are not finite"),
        ({"weights": -1e10}, r"step 7 is not saved: geometry\.means has run away, to 1e\+10"),
        ({"moments": float("inf")}, r"the optimizer's exp_avg of geometry\.means has 12 values that are not finite"),
    ],
)
def test_numbers_that_went_astray_do_not_replace_the_last_good_checkpoint(tmp_path, defect, sentence):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(a_checkpoint(), path)
    with pytest.raises(ValueError, match=sentence + r".*last good checkpoint is '.*last\.ckpt'"):
        AtomicCheckpointIO().save_checkpoint(a_checkpoint(step=7, **defect), path)
    assert load_checkpoint(path)["global_step"] == 3


def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path):
    path, earlier = tmp_path / "last.ckpt", tmp_path / "step=2.ckpt"
    AtomicCheckpointIO().save_checkpoint(a_checkpoint(step=2), earlier)
    AtomicCheckpointIO().save_checkpoint(a_checkpoint(), path)
    original, expected = path.read_bytes(), load_checkpoint(path)
    draws, refused = random.Random(0), 0
    # In the table of contents, offset 38, bit 4 makes a folder of a tensor, which torch leaves uninitialized.
    marks = [(match.start() + 38, 4) for match in re.finditer(b"PK\x01\x02", original)]
    for position, bit in [*marks, *((draws.randrange(len(original)), draws.randrange(8)) for _ in range(300))]:
        content = bytearray(original)
        content[position] ^= 1 << bit
        path.write_bytes(content)
        try:
            found = load_checkpoint(path)
        except ValueError as error:
            assert "is damaged" in str(error) and f"'{earlier}'" in str(error)
            refused += 1
        else:
            assert repr(found) == repr(expected)
    assert refused > 150


@pytest.mark.parametrize("content", [{"state_dict": {}}, {"weights": torch.zeros(1)}, [1, 2], torch.zeros(3)])
def test_another_kind_of_file_is_one_sentence(tmp_path, content):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"weights\.pt' is not a training checkpoint: it has no .*global_step"):
        load_checkpoint(tmp_path / "weights.pt")
