"""Tiny pipelines on disk, built once."""

import pytest
import tiny_models


@pytest.fixture(scope="session")
def stable_diffusion_folder(tmp_path_factory):
    return tiny_models.make_tiny_stable_diffusion(tmp_path_factory.mktemp("models") / "sd")


@pytest.fixture(scope="session")
def v_prediction_folder(tmp_path_factory):
    return tiny_models.make_tiny_stable_diffusion(tmp_path_factory.mktemp("models") / "sd-v", "v_prediction")


@pytest.fixture(scope="session")
def mvdream_folder(tmp_path_factory):
    return tiny_models.make_tiny_mvdream(tmp_path_factory.mktemp("models") / "mvdream")


@pytest.fixture(scope="session")
def sd3_folder(tmp_path_factory):
    return tiny_models.make_tiny_sd3(tmp_path_factory.mktemp("models") / "sd3")


@pytest.fixture(scope="session")
def flux_folder(tmp_path_factory):
    return tiny_models.make_tiny_flux(tmp_path_factory.mktemp("models") / "flux")


@pytest.fixture(scope="session")
def sdxl_folder(tmp_path_factory):
    return tiny_models.make_tiny_sdxl(tmp_path_factory.mktemp("models") / "sdxl")


@pytest.fixture(scope="session")
def zero123_folder(tmp_path_factory):
    return tiny_models.make_tiny_zero123(tmp_path_factory.mktemp("models") / "zero123")
