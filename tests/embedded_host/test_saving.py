import json
from pathlib import Path

import pytest
from splatdream.embedded_host.saving import SaverMixin


def test_data_comes_back(tmp_path):
    saver = SaverMixin()
    saver.set_save_dir(str(tmp_path / "save"))
    path = Path(saver.save_json("a/f.json", {"x": [1]}))
    assert path == tmp_path / "save" / "a" / "f.json"
    assert json.loads(path.read_text()) == {"x": [1]}


def test_a_system_without_a_folder_says_so():
    with pytest.raises(ValueError, match="set_save_dir"):
        SaverMixin().save_json("x.json", {})
