import numpy as np
import pytest
import torch

from models.dialog_window import FusionConfig
from models.networks.fusion import M2FNet
from trainer.dialogs.features import DialogFeatures, Features
from trainer.evaluation.views import HeardDialog, View, view_logits
from trainer.fit.outputs import Floats

DIM = 8


def readings(later: int, count: int, dialog: int = 0) -> list[Features]:
    """Embeddings that tell which reading they are of."""
    generator = np.random.default_rng((dialog, later))
    return [list(generator.normal(size=(count, DIM)).astype(np.float32)) for _ in range(later + 1)]


def heard(later: int, *counts: int) -> list[HeardDialog]:
    return [
        HeardDialog.of(
            DialogFeatures([None] * count, [None] * count, [None] * count, [None] * count, [0] * count),
            readings(later, count, dialog),
        )
        for dialog, count in enumerate(counts)
    ]


def config(*, causal: bool) -> FusionConfig:
    return FusionConfig(DIM, DIM, DIM, DIM, classes=3, fusion_layers=1, heads=2, causal=causal)


def network(*, causal: bool) -> M2FNet:
    torch.manual_seed(0)
    return M2FNet(config(causal=causal)).eval()


def logits(dialogs: list[HeardDialog], view: View, *, causal: bool) -> Floats:
    return view_logits(network(causal=causal), dialogs, config(causal=causal), view)


def test_a_turn_is_read_anew_as_later_ones_come() -> None:
    (dialog,) = heard(2, 4)
    first, second, whole = dialog.readings
    assert [dialog.at(1).text[0] is first[0], len(dialog.at(1).labels)] == [True, 1]
    assert all(one is two for one, two in zip(dialog.at(3).text, (whole[0], second[1], first[2]), strict=True))


def test_what_is_absent_stays_so_in_every_reading() -> None:
    (dialog,) = heard(1, 2)
    silent = dialog.only(["audio"])
    assert silent.at(1).text == [None]
    assert silent.at(2).text == [None, None]


@pytest.mark.parametrize("later", [0, 1])
@pytest.mark.parametrize("causal", [True, False])
def test_the_moment_knows_nothing_of_what_comes(*, later: int, causal: bool) -> None:
    long, cut = (
        heard(later, 5),
        [HeardDialog(d.features.first(3), [r[:3] for r in d.readings]) for d in heard(later, 5)],
    )
    assert np.allclose(logits(long, "moment", causal=causal)[2], logits(cut, "moment", causal=causal)[2], atol=1e-5)
    assert np.allclose(logits(cut, "full", causal=causal)[2], logits(cut, "moment", causal=causal)[2], atol=1e-5)


@pytest.mark.parametrize("later", [0, 1])
def test_the_next_utterance_and_the_rest_change_what_a_network_of_the_whole_dialog_says(later: int) -> None:
    dialogs = heard(later, 4, 1, 3)
    moment, after, full = (logits(dialogs, view, causal=False) for view in ("moment", "next", "full"))
    assert moment.shape == after.shape == full.shape == (8, 3)
    assert not np.allclose(moment[0], after[0], atol=1e-4)
    assert not np.allclose(after[0], full[0], atol=1e-4)
    assert np.allclose(after[2], full[2], atol=1e-5), "the last but one knows all when the last is heard"
    assert np.allclose(moment[4], full[4], atol=1e-5), "a dialog of one utterance has no later"


def test_a_causal_network_says_the_same_at_any_time() -> None:
    dialogs = heard(0, 3, 2)
    assert np.allclose(logits(dialogs, "moment", causal=True), logits(dialogs, "full", causal=True), atol=1e-5)
