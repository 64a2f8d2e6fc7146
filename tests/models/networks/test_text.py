import pytest
import torch
from tiny_bundle import tiny_tokenizer
from transformers import AutoModel, BertConfig

from models.networks.text import TextEncoder, as_tensors
from models.text_input import TextPair, Tokenizer, tokenize

_TOKENIZER = tiny_tokenizer()


@pytest.fixture
def tokenizer() -> Tokenizer:
    return _TOKENIZER


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=_TOKENIZER.size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    return TextEncoder(AutoModel.from_config(config), classes=7).eval()


def test_padding_does_not_change_what_the_encoder_says(encoder: TextEncoder, tokenizer: Tokenizer) -> None:
    short, long = TextPair("", "so sad"), TextPair("never again, ben", "what, you are so happy!")
    with torch.no_grad():
        alone = encoder(*as_tensors(tokenize(tokenizer, [short])))
        together = encoder(*as_tensors(tokenize(tokenizer, [short, long])))
    for one, two in zip(alone, together, strict=True):
        torch.testing.assert_close(one[0], two[0], atol=1e-5, rtol=0)


def test_the_embedding_is_the_mean_over_the_utterances_tokens(encoder: TextEncoder, tokenizer: Tokenizer) -> None:
    ids, attention, own = as_tensors(tokenize(tokenizer, [TextPair("i am sad", "so what")]))
    with torch.no_grad():
        hidden = encoder.encoder(input_ids=ids, attention_mask=attention).last_hidden_state
        embedding, logits = encoder(ids, attention, own)
    torch.testing.assert_close(embedding[0], hidden[0, own[0] == 1].mean(dim=0), atol=1e-6, rtol=0)
    assert logits.shape == (1, 7)


def test_an_utterance_without_tokens_is_finite(encoder: TextEncoder, tokenizer: Tokenizer) -> None:
    with torch.no_grad():
        embedding, logits = encoder(*as_tensors(tokenize(tokenizer, [TextPair("i am sad", "")])))
    assert embedding.abs().max() == 0
    assert logits.isfinite().all()
