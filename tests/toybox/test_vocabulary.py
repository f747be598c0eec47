import pytest
from splatdream.prompts.directions import ViewDirection, describe_view
from splatdream.toybox.vocabulary import (
    ACCESSORIES,
    COLORS,
    FACED_OBJECTS,
    FRONTLESS_OBJECTS,
    VIEW_WORDS,
    ToyboxCaption,
    parse_caption,
)


def test_the_vocabulary_has_the_promised_size():
    assert (len(FACED_OBJECTS), len(FRONTLESS_OBJECTS), len(COLORS), len(ACCESSORIES)) == (16, 6, 8, 2)


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("an orange cat", ToyboxCaption("cat", "orange")),
        ("orange cat", ToyboxCaption("cat", "orange")),
        ("A Blue Ball.", ToyboxCaption("sphere", "blue")),
        ("a blue robot wearing a red hat", ToyboxCaption("robot", "blue", "hat", "red")),
        ("the brown dog with an orange scarf", ToyboxCaption("dog", "brown", "scarf", "orange")),
        ("an orange cat, side view", ToyboxCaption("cat", "orange", view_word="side")),
        ("backside view of a red car", ToyboxCaption("car", "red", view_word="back")),
        (
            "overhead view of a green frog wearing a white hat",
            ToyboxCaption("frog", "green", "hat", "white", "overhead"),
        ),
    ],
)
def test_captions_are_read(text, caption):
    assert parse_caption(text) == caption


@pytest.mark.parametrize("style", ["suffix", "prefix"])
@pytest.mark.parametrize("direction", list(ViewDirection))
def test_the_views_that_prompts_are_worded_for_are_understood(style, direction):
    text = describe_view("a blue robot wearing a red hat", direction, style)
    assert parse_caption(text) == ToyboxCaption("robot", "blue", "hat", "red", direction.name.lower())


def test_a_caption_written_out_reads_back():
    for caption in (
        ToyboxCaption("owl", "orange"),
        ToyboxCaption("airplane", "white", "scarf", "orange", "back"),
    ):
        assert parse_caption(str(caption)) == caption


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("an orange catt", "'cat'"), ("a blu robot", "'blue'"), ("a red dog wearing a red hatt", "'hat'")],
)
def test_an_unknown_word_is_named_with_the_nearest_and_the_vocabulary(text, nearest):
    with pytest.raises(ValueError, match="does not know the word") as error:
        parse_caption(text)
    assert f"nearest: {nearest}" in str(error.value)
    for word in (*COLORS, *FACED_OBJECTS, *FRONTLESS_OBJECTS, *ACCESSORIES, *VIEW_WORDS):
        assert word in str(error.value)


@pytest.mark.parametrize("text", ["a cat", "orange", "a cat orange", "a red cat wearing a hat", "a red cat a blue dog"])
def test_known_words_in_another_order_are_refused_with_an_example(text):
    with pytest.raises(ValueError, match="an orange cat"):
        parse_caption(text)


def test_an_unknown_view_is_refused():
    with pytest.raises(ValueError, match="nearest: 'side'"):
        parse_caption("an orange cat, sideways view")
