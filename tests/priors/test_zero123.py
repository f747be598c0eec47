"""Zero-1-to-3: what it is told of the picture and of cameras, and that it is what the original pipeline computes."""

import math
import shutil

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from splatdream.cameras.batch import orbit_cameras
from splatdream.cameras.picture import PictureConfig, load_picture
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.registry import METHODS
from splatdream.priors.base import Views
from splatdream.priors.registered_networks import RegisteredZero123Prior
from splatdream.priors.zero123 import load_zero123
from splatdream.priors.zero123_conditioning import clip_pixels, relative_cameras
from splatdream.prompts.view_prompts import make_view_prompts
from tiny_models import make_tiny_zero123
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

PROMPTS = make_view_prompts("the object", is_view_dependent=False)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A red square in the middle of nothing, 40 x 40."""
    path = tmp_path_factory.mktemp("pictures") / "photo.png"
    image = Image.new("RGBA", (40, 40))
    image.paste((200, 30, 30, 255), (10, 14, 30, 26))
    image.save(path)
    return path


def picture(path, **settings):
    return load_picture(PictureConfig(str(path), **settings))


def views(elevations, azimuths, distance=2.5):
    return Views(orbit_cameras(elevations, azimuths, distance), torch.ones(len(azimuths), 3))


def registered(folder, photo, **settings):
    prior = {"model": str(folder), "image_size": 32, "picture": {"path": str(photo)}} | settings
    return {"prior_type": "splatdream-zero123-prior", "prior": prior}


def test_cameras_are_told_as_zero123_was_trained():
    # Its code: radians of target minus source polar angle, sine and cosine of the azimuths' difference, distances'.
    mine = relative_cameras(orbit_cameras([40.0, 10.0], [120.0, -60.0], 3.0), orbit_cameras([10.0], [30.0], 2.5))
    expected = [[math.radians(50 - 80), 1.0, 0.0, 0.5], [0.0, -1.0, 0.0, 0.5]]
    torch.testing.assert_close(mine, torch.tensor(expected), atol=1e-5, rtol=0)


def test_stable_zero123_is_told_how_high_the_pictures_camera_stands_instead_of_the_distance():
    mine = relative_cameras(orbit_cameras([0.0], [0.0], 9.0), orbit_cameras([25.0], [0.0]), tells_elevation=True)
    torch.testing.assert_close(mine[0, 3], torch.tensor(math.radians(65.0)))


def test_a_turned_world_changes_nothing_that_is_told():
    told = [
        relative_cameras(orbit_cameras([30.0], [turn + 50.0]), orbit_cameras([-5.0], [turn])) for turn in (0.0, 173.0)
    ]
    torch.testing.assert_close(*told, atol=1e-5, rtol=0)


def test_clip_sees_the_corners_of_the_picture_at_its_own_corners(generator):
    images = 2 * torch.rand(1, 3, 33, 33, generator=generator) - 1
    seen = clip_pixels(images, 17)
    red = (images[0, 0, ::32, ::32] / 2 + 0.5 - 0.48145466) / 0.26862954
    torch.testing.assert_close(seen[0, 0, ::16, ::16], red, atol=1e-5, rtol=0)


@pytest.mark.parametrize("projection", ["clip_camera_projection", "cc_projection"])
def test_a_prediction_is_that_of_the_pipelines_parts(tmp_path, photo, projection, generator):
    folder = make_tiny_zero123(tmp_path / "zero123", projection)
    prior = load_zero123(picture(photo, elevation_deg=20.0, azimuth_deg=-40.0), str(folder), image_size=32)
    noisy, timesteps = torch.randn(2, 4, 8, 8, generator=generator), torch.tensor([300, 700])
    where = views([50.0, 20.0], [50.0, 140.0], 2.75)
    # diffusers' community pipeline, by hand: tokens from CLIP and pose, an unscaled mode beside the noisy latents.
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae")
    encoder = CLIPVisionModelWithProjection.from_pretrained(folder, subfolder="image_encoder")
    (path,) = (folder / projection).glob("*.safetensors")
    layer = {name.rpartition(".")[2]: tensor for name, tensor in load_file(path).items()}
    on_white = picture(photo).on_white(32)
    poses = torch.deg2rad(torch.tensor([[-30.0, 90.0], [0.0, 180.0]]))
    poses = torch.stack([poses[:, 0], poses[:, 1].sin(), poses[:, 1].cos(), torch.full((2,), 0.25)], dim=1)
    with torch.no_grad():
        embeddings = encoder(clip_pixels(on_white, 16)).image_embeds.expand(2, -1)
        tokens = (torch.cat([embeddings, poses], dim=1) @ layer["weight"].T + layer["bias"])[:, None]
        shown = vae.encode(on_white).latent_dist.mode().expand(2, -1, -1, -1)
        expected = unet(torch.cat([noisy, shown], dim=1), timesteps, encoder_hidden_states=tokens).sample
        zeros = torch.zeros(2, 4, 8, 8)
        nothing = unet(torch.cat([noisy, zeros], dim=1), timesteps, encoder_hidden_states=0 * tokens).sample
    told, untold = prior.encode_texts(["anything"] * 2), prior.encode_texts(["", ""])
    torch.testing.assert_close(prior.predict_noise(noisy, timesteps, told, where), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(prior.predict_noise(noisy, timesteps, untold, where), nothing, atol=1e-5, rtol=1e-4)


def test_full_size_networks_have_the_published_numbers_of_weights():
    # Stable Diffusion 1's denoiser, 859,520,964 weights, with four more input channels of 320 x 3 x 3; CLIP ViT-L/14,
    # 427,616,513, without its text half, 123,650,304, and its temperature.
    levels = ("CrossAttnDownBlock2D",) * 3
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            in_channels=8,
            cross_attention_dim=768,
            down_block_types=(*levels, "DownBlock2D"),
        )
        vision = CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            image_size=224,
            patch_size=14,
            projection_dim=768,
        )
        encoder = CLIPVisionModelWithProjection(vision)
    assert sum(weight.numel() for weight in unet.parameters()) == 859_520_964 + 4 * 320 * 9
    assert sum(weight.numel() for weight in encoder.parameters()) == 427_616_513 - 123_650_304 - 1


@pytest.mark.parametrize("method", METHODS)
def test_methods_run_where_their_formula_needs_no_text(zero123_folder, photo, method):
    cfg = registered(zero123_folder, photo) | {"method": method, "guidance_scale": 3.0}
    if method == "sds_bridge":
        with pytest.raises(ValueError, match="moves away from a source text, and Zero123Prior reads no texts"):
            Guidance(cfg)
        return
    guidance = Guidance(cfg)
    rgb = torch.full((2, 24, 24, 3), 0.5, requires_grad=True)
    out = guidance(rgb, PROMPTS, **orbit_cameras([10.0] * 2, [0.0, 90.0], width=24, height=24).to_batch())
    out["loss_sds"].backward()
    assert rgb.grad.isfinite().all() and (rgb.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("setting", [{"perp_neg": 1.0}, {"interpolated_views": True}])
def test_what_weighs_texts_is_refused(zero123_folder, photo, setting):
    with pytest.raises(ValueError, match=f"guidance.{next(iter(setting))} weighs view texts"):
        Guidance(registered(zero123_folder, photo) | setting)


def test_a_negative_prompt_is_refused(zero123_folder, photo):
    guidance = Guidance(registered(zero123_folder, photo))
    with pytest.raises(ValueError, match=r"negative_prompt 'blurry' has no effect: Zero123Prior reads no texts"):
        guidance.prompts(lambda: make_view_prompts("a cat", "blurry"))


def test_the_content_counts_the_picture_and_not_its_place(zero123_folder, photo, tmp_path):
    contents = []
    moved = tmp_path / "moved.png"
    shutil.copy(photo, moved)
    changed = tmp_path / "changed.png"
    Image.open(photo).rotate(90).save(changed)
    for path in (photo, moved, changed):
        contents.append(RegisteredZero123Prior(registered(zero123_folder, path)["prior"]).content())
    assert contents[0] == contents[1] != contents[2]
    assert str(photo) not in str(contents[0])


def test_a_text_to_image_model_is_refused(stable_diffusion_folder, zero123_folder, photo, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(zero123_folder, folder)
    shutil.rmtree(folder / "unet")
    shutil.copytree(stable_diffusion_folder / "unet", folder / "unet")
    with pytest.raises(ValueError, match="is no Zero-1-to-3: it takes 4 channels"):
        load_zero123(picture(photo), str(folder))


def test_a_folder_that_lacks_a_part_is_refused_with_its_name(zero123_folder, photo, tmp_path):
    folder = tmp_path / "partial"
    shutil.copytree(zero123_folder, folder)
    shutil.rmtree(folder / "image_encoder")
    with pytest.raises(FileNotFoundError, match="it lacks image_encoder;"):
        load_zero123(picture(photo), str(folder))


def test_a_projection_of_another_width_is_refused(zero123_folder, photo, tmp_path):
    folder = tmp_path / "wrong"
    shutil.copytree(zero123_folder, folder)
    path = folder / "clip_camera_projection" / "diffusion_pytorch_model.safetensors"
    save_file({"proj.weight": torch.zeros(16, 36), "proj.bias": torch.zeros(16)}, path)
    with pytest.raises(ValueError, match="reads tokens of 32 channels"):
        load_zero123(picture(photo), str(folder))


def test_stable_zero123_is_known_by_its_name(zero123_folder, photo, tmp_path):
    folder = tmp_path / "stable-zero123"
    shutil.copytree(zero123_folder, folder)
    noisy, timesteps = torch.zeros(1, 4, 8, 8), torch.tensor([500])
    answers = []
    for model, distance in ((folder, 2.5), (folder, 9.0), (zero123_folder, 2.5), (zero123_folder, 9.0)):
        prior = load_zero123(picture(photo), str(model), image_size=32)
        answers.append(prior.predict_noise(noisy, timesteps, prior.encode_texts(["x"]), views([0.0], [0.0], distance)))
    assert torch.equal(answers[0], answers[1])
    assert not torch.allclose(answers[2], answers[3])
