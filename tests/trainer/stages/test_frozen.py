from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bundle import tiny_bundle, tiny_tokenizer
from transformers import AutoModel, BertConfig, MPNetConfig, PreTrainedModel

from models.text_input import TextPair, tokenize
from trainer.stages.frozen import FrozenEncoderError, lower_states, split_encoder

KINDS = [BertConfig, MPNetConfig]


def encoder(kind: type) -> PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
    config = kind(vocab_size=tiny_tokenizer().size, max_position_embeddings=64, **sizes)
    return AutoModel.from_config(config).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_both_parts_together_compute_what_the_whole_does(kind: type, tmp_path: Path) -> None:
    whole = encoder(kind)
    pairs = [TextPair("anna: you are so sad", "ben: no"), TextPair("", "ben: i am happy again")]
    rows = [tokenize(tiny_tokenizer(), [pair]) for pair in pairs]
    lower, upper = split_encoder(whole, 2)
    states = lower_states(lower, rows, tmp_path)
    for row, state in zip(rows, states, strict=True):
        ids, mask = torch.from_numpy(row.input_ids), torch.from_numpy(row.attention_mask)
        with torch.inference_mode():
            expected = whole(input_ids=ids, attention_mask=mask).last_hidden_state
            found = upper(inputs_embeds=state[None].float(), attention_mask=mask).last_hidden_state
        assert found == pytest.approx(expected, abs=0.1), "bfloat16 is what differs"
        assert np.corrcoef(found.flatten(), expected.flatten())[0, 1] > 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_upper_layers_learn_and_the_whole_has_what_they_learned(kind: type) -> None:
    whole = encoder(kind)
    lower, upper = split_encoder(whole, 1)
    assert not any(parameter.requires_grad for parameter in lower.parameters())
    learned = [parameter for parameter in upper.parameters() if parameter.requires_grad]
    with torch.no_grad():
        learned[0].add_(1.0)
    assert any(parameter is learned[0] for parameter in whole.parameters())


def test_too_few_layers_and_other_builds_are_told() -> None:
    with pytest.raises(FrozenEncoderError, match="has 3 layers"):
        split_encoder(encoder(BertConfig), 3)
    with pytest.raises(FrozenEncoderError, match="frozen_layers=0"):
        split_encoder(tiny_bundle().text, 1)  # type: ignore[arg-type]
