"""What the networks are told."""

import torch
from splatdream.toybox.vocabulary import OBJECTS, ToyboxCaption, parse_caption
from splatdream.toybox_training.captions import (
    dressed_captions,
    is_held_out,
    loosened,
    training_captions,
    training_text,
)
from splatdream.toybox_training.image_bank import group_bank
from splatdream.toybox_training.tokenizer import build_tokenizer, vocabulary_words


def test_every_word_of_the_toybox_is_one_token_and_nothing_is_unknown():
    tokenizer = build_tokenizer()
    words = [word for word in vocabulary_words() if word != "3d"]
    assert set(OBJECTS) <= set(words)
    assert [tokenizer.tokenize(word) for word in words] == [[f"{word}</w>"] for word in words]
    # Ids of anything else decode to what was said, so no letter is lost to <unk>, which is also the end of a text.
    for text in ("zebra", "häuschen", "3d asset", "9!?"):
        ids = tokenizer(text).input_ids[1:-1]
        assert tokenizer.eos_token_id not in ids
        assert tokenizer.decode(ids).replace(" ", "") == text.replace(" ", "")


def test_held_out_combinations_are_never_trained_on_but_their_words_are():
    held_out, others = dressed_captions(True), dressed_captions(False)
    assert not set(held_out) & set(training_captions(len(others), seed=0))
    assert 0.08 < len(held_out) / (len(held_out) + len(others)) < 0.17
    assert {caption.accessory_color for caption in held_out} <= {caption.accessory_color for caption in others}
    assert not is_held_out(ToyboxCaption("cat", "red"))


def test_half_of_the_texts_name_the_view_and_all_can_be_read():
    generator = torch.Generator().manual_seed(0)
    caption = ToyboxCaption("robot", "blue", "hat", "red")
    words = [parse_caption(training_text(caption, "back", generator)).view_word for _ in range(1000)]
    assert set(words) == {None, "back"}
    assert 430 < words.count("back") < 570


def test_loose_view_words_belong_to_other_images_and_stay_as_frequent():
    words = ["front"] * 650 + ["side"] * 250 + ["back"] * 100
    loose = loosened(words, 0.6, torch.Generator().manual_seed(0))
    assert sorted(loose) == sorted(words)
    # 0.6 of what is called a back view is any image, which is a front with a probability of 0.65.
    called_back = [truth for truth, word in zip(words, loose, strict=True) if word == "back"]
    assert 0.25 < called_back.count("front") / 100 < 0.53
    assert loosened(words, 0.0, torch.Generator()) == words


def test_groups_are_four_views_of_one_object_90_degrees_apart():
    captions = (ToyboxCaption("cat", "red"), ToyboxCaption("car", "blue"))
    bank = group_bank(captions, 3, 16, seed=0)
    steps = bank.cameras.azimuth_deg.view(3, 4).diff(dim=1)
    torch.testing.assert_close(steps, torch.full((3, 3), 90.0))
    assert bank.cameras.azimuth_deg[::4].unique().numel() == 3
    assert (bank.cameras.elevation_deg.view(3, 4).std(dim=1) == 0).all()
    assert bank.captions[4:8] == (captions[1],) * 4
