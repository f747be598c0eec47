"""A folder without what another one holds is whole again where it is used."""

import shutil

import pytest
from diffusers import StableDiffusionPipeline
from splatdream.priors.shared_files import SHARED, share_files, whole_folder


@pytest.fixture
def folders(stable_diffusion_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "cache"))
    for name in ("lender", "borrower"):
        shutil.copytree(stable_diffusion_folder, tmp_path / "package" / name)
    own = tmp_path / "package" / "borrower" / "unet" / "diffusion_pytorch_model.safetensors"
    own.write_bytes(own.read_bytes()[:-4] + b"\0\0\0\0")
    return tmp_path / "package" / "lender", tmp_path / "package" / "borrower"


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_shared_comes_back_to_the_letter_and_loads(folders):
    lender, borrower = folders
    before = contents(borrower)
    places = share_files(borrower, lender)
    assert places["vae/diffusion_pytorch_model.safetensors"] == "lender/vae/diffusion_pytorch_model.safetensors"
    assert "unet/diffusion_pytorch_model.safetensors" not in places
    assert not (borrower / "vae" / "diffusion_pytorch_model.safetensors").exists()
    whole = whole_folder(borrower)
    assert contents(whole) == before
    StableDiffusionPipeline.from_pretrained(whole, local_files_only=True)


def test_a_folder_is_made_whole_once_and_again_when_it_changes(folders):
    lender, borrower = folders
    share_files(borrower, lender)
    first = whole_folder(borrower)
    assert whole_folder(borrower) == first
    (borrower / "model_index.json").write_text("{}")
    assert contents(whole_folder(borrower)) != contents(first)


def test_a_folder_that_shares_nothing_is_itself(folders):
    lender, _ = folders
    assert whole_folder(lender) == lender


def test_a_lender_that_is_gone_is_named(folders):
    lender, borrower = folders
    share_files(borrower, lender)
    assert (borrower / SHARED).exists()
    shutil.rmtree(lender)
    with pytest.raises(FileNotFoundError, match=r"lender.*not there; install the package again"):
        whole_folder(borrower)
