import pytest
import torch
from torch import nn
from torch.nn import functional

from models.networks.evidence import HEADS, Evidence, OwnHead

WIDTHS = {"text": 8, "audio": 6, "face": 4}
CLASSES = 3
SHAPE = (2, 5)


@pytest.fixture
def heads() -> dict[str, OwnHead]:
    torch.manual_seed(0)
    return {name: OwnHead(nn.Linear(width, CLASSES), 2.0) for name, width in WIDTHS.items()}


@pytest.fixture
def evidence(heads: dict[str, OwnHead]) -> Evidence:
    found = Evidence(WIDTHS, CLASSES).eval()
    found.take(heads)
    return found


def embeddings() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {name: torch.randn(*SHAPE, width) for name, width in WIDTHS.items()}


def masks(*names: str) -> dict[str, torch.Tensor]:
    return {name: torch.full(SHAPE, name in names) for name in HEADS}


def log_probabilities(name: str, embedding: torch.Tensor, head: OwnHead) -> torch.Tensor:
    rectified = embedding if name == "text" else torch.relu(embedding)
    return functional.log_softmax(head.linear(rectified) / head.temperature, dim=-1)


@pytest.mark.parametrize("names", [("text",), ("audio", "face"), HEADS])
def test_before_training_every_branch_counts_once(
    evidence: Evidence, heads: dict[str, OwnHead], names: tuple[str, ...]
) -> None:
    given = embeddings()
    expected = sum(log_probabilities(name, given[name], heads[name]) for name in names)
    torch.testing.assert_close(evidence(given, masks(*names)), expected, atol=1e-3, rtol=0)


def test_what_stands_where_a_modality_is_absent_is_never_read(evidence: Evidence) -> None:
    nn.init.normal_(evidence.weigh[-1].weight)
    given = embeddings()
    before = evidence(given, masks("audio"))
    given["text"].fill_(float("nan"))
    given["face"] += 100.0
    torch.testing.assert_close(evidence(given, masks("audio")), before)
    assert not evidence(given, masks()).any()


def test_a_head_that_was_never_taken_prefers_no_emotion() -> None:
    found = Evidence(WIDTHS, CLASSES)(embeddings(), masks("text"))
    torch.testing.assert_close(found, found[..., :1].expand_as(found))


def test_training_changes_the_weights_of_the_branches_but_not_their_heads(evidence: Evidence) -> None:
    kept = {name: parameter.clone() for name, parameter in evidence.heads.named_parameters()}
    optimizer = torch.optim.SGD([one for one in evidence.parameters() if one.requires_grad], lr=0.5)
    functional.cross_entropy(evidence(embeddings(), masks(*HEADS)).flatten(0, 1), torch.zeros(10).long()).backward()
    optimizer.step()
    assert evidence.weigh[-1].weight.any()
    for name, parameter in evidence.heads.named_parameters():
        torch.testing.assert_close(parameter, kept[name])
