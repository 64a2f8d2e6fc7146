import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_bundle import tiny_tokenizer
from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast

from models.networks.text import (
    ContextFormat,
    TextEncoder,
    TextPair,
    Turn,
    as_tensors,
    format_turn,
    tokenize,
    with_context,
)

TURNS = [Turn("Anna", "one"), Turn("Ben", "two"), Turn("Anna", "three"), Turn("", "four")]
_TOKENIZER = tiny_tokenizer()


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return _TOKENIZER


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(_TOKENIZER), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    return TextEncoder(AutoModel.from_config(config), classes=7).eval()


@pytest.mark.parametrize(
    ("layout", "index", "context"),
    [
        (ContextFormat(2, 0), 2, "Anna: one [SEP] Ben: two"),
        (ContextFormat(2, 0), 1, "Anna: one"),
        (ContextFormat(2, 0), 0, ""),
        (ContextFormat(1, 1), 2, "Ben: two [SEP] four"),
        (ContextFormat(1, 1), 3, "Anna: three"),
        (ContextFormat(0, 0), 2, ""),
        (ContextFormat(1, 1, speaker_names=False), 1, "one [SEP] three"),
    ],
)
def test_the_context_is_the_turns_around_the_utterance(layout: ContextFormat, index: int, context: str) -> None:
    own = format_turn(TURNS[index], layout.speaker_names)
    assert with_context(TURNS, index, layout, "[SEP]") == TextPair(context, own)


def test_a_turn_without_a_speaker_is_its_text_alone() -> None:
    assert format_turn(Turn("", "hello"), names=True) == "hello"
    assert format_turn(Turn("Ben", "hello"), names=True) == "Ben: hello"
    assert format_turn(Turn("Ben", "hello"), names=False) == "hello"


def own_words(tokenizer: PreTrainedTokenizerFast, pair: TextPair, max_tokens: int) -> str:
    batch = tokenize(tokenizer, [pair], max_tokens)
    return str(tokenizer.decode(batch.input_ids[0][batch.utterance_mask[0] == 1], skip_special_tokens=True))


def test_the_utterance_mask_marks_the_utterances_own_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert own_words(tokenizer, TextPair("anna: i am sad", "what you are happy"), 64) == "what you are happy"


def test_the_oldest_context_is_cut_first_and_the_utterance_kept(tokenizer: PreTrainedTokenizerFast) -> None:
    pair = TextPair("never never never so sad", "you are happy")
    batch = tokenize(tokenizer, [pair], max_tokens=8)
    assert tokenizer.decode(batch.input_ids[0]) == "[CLS] so sad [SEP] you are happy [SEP]"


def test_of_an_utterance_too_long_the_end_is_kept(tokenizer: PreTrainedTokenizerFast) -> None:
    words = own_words(tokenizer, TextPair("so what", "never " * 40 + "you are happy"), 16).split()
    assert words[-3:] == ["you", "are", "happy"]
    assert len(words) == 16 - 3 - 1, "all but the three marks and a token of context"


def test_shorter_rows_are_padded_and_masked(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = tokenize(tokenizer, [TextPair("", "what"), TextPair("i am sad", "you are so happy")])
    assert batch.input_ids.shape == batch.attention_mask.shape == batch.utterance_mask.shape == (2, 10)
    assert batch.attention_mask.sum(axis=1).tolist() == [4, 10]
    assert batch.utterance_mask.sum(axis=1).tolist() == [1, 4]


@given(st.text(max_size=60), st.text(max_size=120), st.sampled_from([16, 32]))
@example("", "a" + "!" * 13, 16)  # as many tokens as characters, and three more that frame them
@settings(deadline=None)
def test_any_text_fits_and_no_token_of_the_context_counts_as_the_utterance(context: str, own: str, limit: int) -> None:
    batch = tokenize(_TOKENIZER, [TextPair(context, own)], limit)
    assert batch.input_ids.shape[1] <= limit
    assert (batch.utterance_mask <= batch.attention_mask).all()
    assert batch.utterance_mask.sum() <= len(own)


def test_padding_does_not_change_what_the_encoder_says(
    encoder: TextEncoder, tokenizer: PreTrainedTokenizerFast
) -> None:
    short, long = TextPair("", "so sad"), TextPair("never again, ben", "what, you are so happy!")
    with torch.no_grad():
        alone = encoder(*as_tensors(tokenize(tokenizer, [short])))
        together = encoder(*as_tensors(tokenize(tokenizer, [short, long])))
    for one, two in zip(alone, together, strict=True):
        torch.testing.assert_close(one[0], two[0], atol=1e-5, rtol=0)


def test_the_embedding_is_the_mean_over_the_utterances_tokens(
    encoder: TextEncoder, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids, attention, own = as_tensors(tokenize(tokenizer, [TextPair("i am sad", "so what")]))
    with torch.no_grad():
        hidden = encoder.encoder(input_ids=ids, attention_mask=attention).last_hidden_state
        embedding, logits = encoder(ids, attention, own)
    torch.testing.assert_close(embedding[0], hidden[0, own[0] == 1].mean(dim=0), atol=1e-6, rtol=0)
    assert logits.shape == (1, 7)


def test_an_utterance_without_tokens_is_finite(encoder: TextEncoder, tokenizer: PreTrainedTokenizerFast) -> None:
    with torch.no_grad():
        embedding, logits = encoder(*as_tensors(tokenize(tokenizer, [TextPair("i am sad", "")])))
    assert embedding.abs().max() == 0
    assert logits.isfinite().all()
