from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_bundle import tiny_tokenizer
from transformers import AutoTokenizer

from models.bundle_config import STARTER
from models.text_input import ContextFormat, TextPair, Tokenizer, Turn, format_turn, tokenize, with_context

TURNS = [Turn("Anna", "one"), Turn("Ben", "two"), Turn("Anna", "three"), Turn("", "four")]
_TOKENIZER = tiny_tokenizer()


@pytest.fixture
def tokenizer() -> Tokenizer:
    return _TOKENIZER


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


def own_words(tokenizer: Tokenizer, pair: TextPair, max_tokens: int) -> str:
    batch = tokenize(tokenizer, [pair], max_tokens)
    return str(tokenizer.model.decode(batch.input_ids[0][batch.utterance_mask[0] == 1].tolist()))


def test_the_utterance_mask_marks_the_utterances_own_tokens(tokenizer: Tokenizer) -> None:
    assert own_words(tokenizer, TextPair("anna: i am sad", "what you are happy"), 64) == "what you are happy"


def test_the_oldest_context_is_cut_first_and_the_utterance_kept(tokenizer: Tokenizer) -> None:
    pair = TextPair("never never never so sad", "you are happy")
    batch = tokenize(tokenizer, [pair], max_tokens=8)
    assert (
        tokenizer.model.decode(batch.input_ids[0].tolist(), skip_special_tokens=False)
        == "[CLS] so sad [SEP] you are happy [SEP]"
    )


def test_of_an_utterance_too_long_the_end_is_kept(tokenizer: Tokenizer) -> None:
    words = own_words(tokenizer, TextPair("so what", "never " * 40 + "you are happy"), 16).split()
    assert words[-3:] == ["you", "are", "happy"]
    assert len(words) == 16 - 3 - 1, "all but the three marks and a token of context"


def test_shorter_rows_are_padded_and_masked(tokenizer: Tokenizer) -> None:
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


_WORDS = st.sampled_from(
    ["so", "I'm", "never!", "café", "中文", "</s>", "[SEP]", "<mask>", "🙂", "un-be-lie-vable", "\t", "a" * 120]
)
_TEXTS = st.lists(_WORDS, max_size=60).map(" ".join)


@pytest.mark.skipif(not STARTER.exists(), reason="not trained yet")
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(_TEXTS, _TEXTS), min_size=1, max_size=3), st.sampled_from([16, 128]))
def test_the_tokens_are_those_of_transformers(pairs: list[tuple[str, str]], limit: int) -> None:
    folder = next(STARTER.glob("*/tokenizer.json")).parent
    ours, theirs = Tokenizer.read(folder), AutoTokenizer.from_pretrained(folder, local_files_only=True)
    own = tokenize(ours, [TextPair(*pair) for pair in pairs], limit)
    theirs.truncation_side = "left"
    kept = [ours._clip(utterance, limit) for _, utterance in pairs]
    contexts = [context for context, _ in pairs]
    expected = theirs(contexts, kept, truncation="only_first", max_length=limit, padding=True, return_tensors="np")
    np.testing.assert_array_equal(own.input_ids, expected["input_ids"])
    np.testing.assert_array_equal(own.attention_mask, expected["attention_mask"])
    parts = [[part == 1 for part in expected.sequence_ids(row)] for row in range(len(pairs))]
    np.testing.assert_array_equal(own.utterance_mask, parts)


def test_a_tokenizer_is_written_and_read(tmp_path: Path) -> None:
    _TOKENIZER.save(tmp_path / "encoder")
    read = Tokenizer.read(tmp_path / "encoder")
    pair = TextPair("never again", "so happy")
    assert (read.separator, read.padding, read.rows(pair, 16)) == ("[SEP]", "[PAD]", _TOKENIZER.rows(pair, 16))


def test_a_damaged_tokenizer_is_told(tmp_path: Path) -> None:
    _TOKENIZER.save(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        Tokenizer.read(tmp_path)
