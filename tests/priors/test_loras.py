"""LoRA files change a prior as they change diffusers' own pipeline."""

import json
import re
import shutil

import pytest
import tiny_loras
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.methods.lora import LoraParticles
from splatdream.host import find
from splatdream.priors import registered_networks  # noqa: F401 - registers
from splatdream.priors.base import Views
from splatdream.priors.loras import loras_of
from splatdream.priors.sdxl import load_sdxl
from splatdream.priors.stable_diffusion import load_stable_diffusion

BOTH = ("unet", "text_encoder")


def pipeline_of(folder):
    return StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)


@pytest.fixture(scope="module")
def files(stable_diffusion_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loras")
    return {
        (layout, parts): tiny_loras.make_lora(
            folder / f"{layout}{len(parts)}.safetensors", pipeline_of(stable_diffusion_folder), parts, layout
        )
        for layout, parts in [("diffusers", BOTH), ("kohya", BOTH), ("diffusers", ("unet",))]
    }


def entry(path, weight=1.0):
    return {"path": str(path), "weight": weight}


def prior_with(folder, *entries):
    return load_stable_diffusion(str(folder), loras=loras_of(entries))


def some_views(count):
    return Views(orbit_cameras([0.0] * count, [0.0] * count), torch.ones(count, 3))


def noise_of(prior, noisy, texts):
    timesteps = torch.full((len(noisy),), 500)
    return prior.predict_noise(noisy, timesteps, prior.encode_texts(texts), some_views(len(noisy)))


@pytest.mark.parametrize("names", [["diffusers"], ["kohya"], ["diffusers", "kohya"]])
def test_a_denoising_call_is_that_of_the_pipeline_with_the_same_files(stable_diffusion_folder, files, names, generator):
    weights = [0.7, -0.4][: len(names)]
    pipeline = pipeline_of(stable_diffusion_folder)
    for name in names:
        pipeline.load_lora_weights(str(files[name, BOTH]), adapter_name=name)
    pipeline.set_adapters(names, weights)
    texts, noisy = ["a cat", ""], torch.randn(2, 4, 8, 8, generator=generator)
    embeddings, _ = pipeline.encode_prompt(texts, "cpu", 1, do_classifier_free_guidance=False)
    with torch.no_grad():
        expected = pipeline.unet(noisy, 500, encoder_hidden_states=embeddings).sample
    entries = [entry(files[name, BOTH], weight) for name, weight in zip(names, weights, strict=True)]
    found = noise_of(prior_with(stable_diffusion_folder, *entries), noisy, texts)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert (found - noise_of(prior_with(stable_diffusion_folder), noisy, texts)).abs().max() > 1e-2


def test_a_folder_that_dreambooths_lora_script_leaves_is_taken_as_its_file(stable_diffusion_folder, files, tmp_path):
    # diffusers' script saves there what it trained, checkpoints and pictures; the model is named by the user.
    left = tmp_path / "dreambooth"
    (left / "checkpoint-500").mkdir(parents=True)
    (left / "README.md").write_text("instance_prompt: a photo of sks dog")
    shutil.copy(files["diffusers", BOTH], left / "pytorch_lora_weights.safetensors")
    assert loras_of([entry(left)])[0].content() == loras_of([entry(files["diffusers", BOTH])])[0].content()
    said = refusal(lambda: prior_with(left))
    assert f"prior.loras: [{{path: {left}}}]" in said and "name the model that they were trained on" in said
    with pytest.raises(FileNotFoundError, match="is not there"):
        loras_of([entry(left / "checkpoint-500")])


def test_a_weight_of_zero_changes_nothing_and_no_layer_of_peft_stays(stable_diffusion_folder, files, generator):
    noisy = torch.randn(1, 4, 8, 8, generator=generator)
    plain, other = (
        prior_with(stable_diffusion_folder),
        prior_with(stable_diffusion_folder, entry(files["kohya", BOTH], 0)),
    )
    assert torch.equal(noise_of(plain, noisy, ["a cat"]), noise_of(other, noisy, ["a cat"]))
    assert [name for name, _ in plain.network.named_modules()] == [name for name, _ in other.network.named_modules()]
    assert not hasattr(other.network, "peft_config")


def test_particles_start_from_the_changed_network_and_learn_on_top_of_it(stable_diffusion_folder, files, generator):
    prior = prior_with(stable_diffusion_folder, entry(files["kohya", BOTH]))
    noisy, views, timesteps = torch.randn(2, 4, 8, 8, generator=generator), some_views(2), torch.tensor([300, 700])
    condition = prior.encode_texts(["a cat", "dog"])
    before = prior.predict_noise(noisy, timesteps, condition, views)
    particles = LoraParticles(prior, seed=0)
    torch.testing.assert_close(particles.predict_noise(noisy, timesteps, condition, views, True), before)
    optimizer = torch.optim.Adam(particles.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        particles.training_loss(noisy, condition, views, generator).backward()
        optimizer.step()
    learned = particles.predict_noise(noisy, timesteps, condition, views, True)
    assert (learned - before).abs().max() > 1e-3
    torch.testing.assert_close(prior.predict_noise(noisy, timesteps, condition, views), before)


def registered(folder, *entries):
    return find("splatdream-stable-diffusion-prior")({"model": str(folder), "loras": list(entries)})


def test_files_count_by_content_and_weight_in_manifest_and_fingerprint(stable_diffusion_folder, files, tmp_path):
    file = files["diffusers", BOTH]
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(file.read_bytes())
    plain = registered(stable_diffusion_folder).content()
    content = registered(stable_diffusion_folder, entry(file)).content()
    assert "loras" not in plain and content != plain
    assert content == registered(stable_diffusion_folder, {"path": str(copy)}).content()
    assert content != registered(stable_diffusion_folder, entry(file, 0.5)).content()
    tensors = load_file(copy)
    save_file({name: 2 * tensor for name, tensor in tensors.items()}, copy)
    assert content != registered(stable_diffusion_folder, entry(copy)).content()
    (told,) = registered(stable_diffusion_folder, entry(file)).__call__().manifest()["loras"]
    assert told["path"] == str(file) and {"file": told["file"], "weight": 1.0} == content["loras"][0]
    json.dumps(told)


def test_only_a_file_that_changes_the_text_encoder_makes_other_texts(stable_diffusion_folder, files):
    revisions = [
        load_stable_diffusion(str(stable_diffusion_folder), loras=loras_of(entries)).manifest()["text_encoder_revision"]
        for entries in (
            [],
            [entry(files["diffusers", ("unet",)])],
            [entry(files["diffusers", BOTH])],
            [entry(files["diffusers", BOTH], 0.5)],
        )
    ]
    assert revisions[0] == revisions[1] and len(set(revisions)) == 3


def refusal(act):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        act()
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(file, folder, change):
    """A copy of the file whose tensors went through `change`."""
    save_file(change(load_file(file)), folder / "changed.safetensors")
    return entry(folder / "changed.safetensors")


@pytest.mark.parametrize("layout", ["diffusers", "kohya"])
def test_a_file_of_another_base_is_refused_in_a_sentence(stable_diffusion_folder, files, layout, tmp_path, caplog):
    def texts_of_another_width(tensors):
        return {
            name: torch.zeros(len(tensor), 48) if "attn2" in name and tensor.shape[-1:] == (32,) else tensor
            for name, tensor in tensors.items()
        }

    def of_a_block_that_is_not_there(tensors):
        return {re.sub(r"down_blocks(.)0", r"down_blocks\g<1>9", name): tensor for name, tensor in tensors.items()}

    for change in (texts_of_another_width, of_a_block_that_is_not_there):
        made = changed(files[layout, BOTH], tmp_path, change)
        message = refusal(lambda made=made: prior_with(stable_diffusion_folder, made))
        assert made["path"] in message and "made for another" in message
    assert not caplog.records


def test_a_file_of_stable_diffusion_is_refused_by_stable_diffusion_xl(sdxl_folder, files):
    of_sd = files["diffusers", ("unet",)]
    message = refusal(lambda: load_sdxl(str(sdxl_folder), loras=loras_of([entry(of_sd)])))
    assert str(of_sd) in message and "made for another" in message


def test_a_part_without_a_place_is_refused_and_not_dropped(stable_diffusion_folder, files, tmp_path):
    file = files["diffusers", BOTH]
    second = changed(
        file, tmp_path, lambda tensors: {name.replace("encoder.", "encoder_2.", 1): x for name, x in tensors.items()}
    )
    assert "text_encoder_2" in refusal(lambda: prior_with(stable_diffusion_folder, second))
    texts = changed(
        file, tmp_path, lambda tensors: {name.replace("layers.0", "layers.7"): x for name, x in tensors.items()}
    )
    prior = prior_with(stable_diffusion_folder, texts)
    assert "text_encoder" in refusal(lambda: prior.encode_texts(["a cat"]))


@pytest.mark.parametrize(
    "name", ["unet.conv_in.weight", "lora_unet_x.dora_scale", "lora_unet_x.hada_w1_a", "to_q.lora"]
)
def test_what_is_not_low_rank_is_refused_and_not_dropped(stable_diffusion_folder, files, tmp_path, name):
    other = changed(files["kohya", BOTH], tmp_path, lambda tensors: tensors | {name: torch.zeros(3)})
    assert name in refusal(lambda: prior_with(stable_diffusion_folder, other))


def test_a_cut_file_and_one_with_nan_are_refused(stable_diffusion_folder, files, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(files["kohya", BOTH].read_bytes()[:-50])
    assert "damaged" in refusal(lambda: registered(stable_diffusion_folder, entry(cut)))
    spoiled = changed(
        files["kohya", BOTH], tmp_path, lambda tensors: {name: tensor * torch.nan for name, tensor in tensors.items()}
    )
    assert spoiled["path"] in refusal(lambda: prior_with(stable_diffusion_folder, spoiled))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("file.safetensors", "is a list of"),
        ({"path": "none.safetensors"}, "none.safetensors"),
        ({"path": "x.pt"}, "no .safetensors file"),
        ({"path": "x.safetensors", "weight": "much"}, "much"),
        ({"path": "x.safetensors", "scale": 1.0}, "scale"),
    ],
)
def test_a_wrong_entry_is_refused_before_anything_is_loaded(wrong, told):
    assert told in refusal(lambda: registered("nowhere", wrong))
