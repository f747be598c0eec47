"""Prompt debiasing with view probabilities that are known by construction."""

import pytest
import torch
from splatdream.prompts.debiasing import MaskedLanguageModel, debias_prompt
from splatdream.prompts.directions import ViewDirection
from splatdream.prompts.processor import PromptProcessor

SIDE, FRONT, BACK, OVERHEAD = ViewDirection.SIDE, ViewDirection.FRONT, ViewDirection.BACK, ViewDirection.OVERHEAD


def smiles_are_seen_from_the_front(prompt):
    probabilities = torch.full((4,), 0.25)
    if "smiling" in prompt:
        probabilities[FRONT], probabilities[BACK] = 0.4, 0.1
    return probabilities


def test_a_word_leaves_the_views_that_it_contradicts_and_stays_in_the_others():
    # p(back) falls from 0.25 to 0.1 by "smiling": 0.1 / 0.175 = 0.57 < 0.95; front rises, side and overhead stay.
    debiased = debias_prompt("a smiling dog", smiles_are_seen_from_the_front)
    assert debiased == {SIDE: "a smiling dog", FRONT: "a smiling dog", BACK: "a dog", OVERHEAD: "a smiling dog"}


def test_only_candidates_are_removed_and_words_that_do_not_exist_are_refused():
    assert debias_prompt("a smiling dog", smiles_are_seen_from_the_front, [0, 2])[BACK] == "a smiling dog"
    with pytest.raises(ValueError, match="word 3 of 'a smiling dog' does not exist"):
        debias_prompt("a smiling dog", smiles_are_seen_from_the_front, [1, 3])


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory):
    """A folder with a two-layer BERT that knows the view words and some others."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "this", "image", "is", "depicting", "a", "view", "of"]
    words += ["side", "front", "back", "overhead", "smiling", "dog"]
    # Not a BertTokenizerFast, which takes its words differently in transformers 4 and 5.
    pieces = tokenizers.BertWordPieceTokenizer({word: index for index, word in enumerate(words)}, lowercase=True)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=pieces._tokenizer, model_max_length=32, **names
    ).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.BertForMaskedLM(config).save_pretrained(folder)
    return str(folder)


def test_a_model_in_a_folder_gives_a_distribution_over_views(tiny_bert):
    model = MaskedLanguageModel(tiny_bert)
    with_word, without_word = model("a smiling dog"), model("a dog")
    assert with_word.sum().item() == pytest.approx(1.0)
    assert not torch.equal(with_word, without_word)


def test_the_processor_words_the_debiased_prompts(tiny_bert):
    model = MaskedLanguageModel(tiny_bert)
    expected = debias_prompt("a smiling dog", model, [1])
    processor = PromptProcessor({"prompt": "a smiling dog", "debiasing_model": tiny_bert, "debiasing_words": [1]})
    prompts = processor()
    assert prompts.view_texts[BACK] == f"{expected[BACK]}, back view"
    assert prompts.prompt == "a smiling dog"
