from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ValidationError

from models.labels import LABELS
from models.networks.losses import ExtractorLossWeights
from models.networks.mobilenet import FoldedConvolution, MobileNetV1, NormedConvolution
from trainer.data.faces import FaceSet, joined
from trainer.fit.checkpoint import CheckpointError, save_checkpoint
from trainer.fit.loop import FitSettings, fit
from trainer.stages import face
from trainer.stages.extractor import ExtractorBatch, mix
from trainer.stages.face import VisualSettings, VisualStage, corpus_repeats, face_outputs
from trainer.stages.mining import MiningError
from trainer.stages.probes import ProbeSettings

FIT = FitSettings(epochs=1, select="knn", ema_decay=0.0, bf16=False)
TINY = VisualSettings(
    fit=FIT, batch=12, small_epochs=1, small_size=32, mining_sample=24, probe=ProbeSettings(examples=16, neighbours=3)
)


def faces(count: int, classes: tuple[str, ...] = LABELS[:3], seed: int = 0) -> FaceSet:
    """Return noise that is brighter at a place of its label's."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(classes)
    pixels = generator.integers(0, 120, (count, 48, 48)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[8 * label : 8 * label + 12, 10:38] += 120
    return FaceSet(pixels, labels, classes)


def stage(settings: VisualSettings = TINY, **others: FaceSet) -> VisualStage:
    return VisualStage(others.get("train", faces(36)), others.get("dev", faces(18, seed=1)), settings)


def first_batch(made: VisualStage, seed: int = 0) -> ExtractorBatch:
    return next(made.batches(0, np.random.default_rng(seed)))


def extractor_gradient(made: VisualStage, batch: ExtractorBatch) -> float:
    made.model.zero_grad()
    made.loss(batch).backward()  # type: ignore[no-untyped-call]
    gradients = (parameter.grad for parameter in made.network.extractor.parameters())
    return sum(float(gradient.abs().sum()) for gradient in gradients if gradient is not None)


def test_batches_pass_over_the_faces_once_small_first_then_large() -> None:
    made = stage()
    batches = list(made.batches(0, np.random.default_rng(0)))
    assert len(batches) == made.steps() == 3
    assert batches[0].images.shape == (12, 3, 32, 32)
    assert sorted(torch.cat([batch.labels for batch in batches]).tolist()) == sorted(made.labels.tolist())
    assert next(made.batches(1, np.random.default_rng(0))).images.shape == (12, 3, 96, 96)


def test_the_same_seed_draws_the_same_batches() -> None:
    one, other = first_batch(stage()), first_batch(stage())
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels)


def test_the_loss_is_cross_entropy_beside_the_metric_losses() -> None:
    made = stage(replace(TINY, metric_weight=0.0))
    batch = first_batch(made)
    logits = made.model.eval()(batch.images)[1]
    expected = torch.nn.functional.cross_entropy(logits, batch.labels, label_smoothing=0.1)
    torch.testing.assert_close(made.loss(batch), expected)
    made.settings = replace(TINY, metric_weight=0.5)
    assert made.loss(batch) > expected


@pytest.mark.parametrize("form", ["corrected", "published", "facenet"])
@pytest.mark.parametrize("mining", ["all", "semi-hard", "hard", "offline"])
def test_every_triplet_form_and_mining_gives_finite_losses(form: str, mining: str) -> None:
    settings = VisualSettings(**{**vars(TINY), "triplet_form": form, "mining": mining})
    made = stage(settings)
    assert made.loss(first_batch(made)).isfinite()


def test_without_classification_the_head_learns_from_the_embedding_but_does_not_teach_it() -> None:
    alone = stage(replace(TINY, classification_weight=0.0, metric_weight=0.0))
    batch = first_batch(alone)
    assert extractor_gradient(alone, batch) == 0
    assert alone.network.head.weight.grad is not None
    assert alone.network.head.weight.grad.abs().sum() > 0
    taught = stage(replace(TINY, classification_weight=0.0, metric_weight=1.0))
    assert extractor_gradient(taught, batch) > 0


def test_loss_weights_reach_the_loss() -> None:
    none = replace(TINY, metric_weight=1.0, loss_weights=ExtractorLossWeights(0, 0, 0))
    made = stage(none)
    batch = first_batch(made)
    made.model.eval()
    made.settings = replace(TINY, metric_weight=0.0)
    plain = made.loss(batch)
    made.settings = none
    torch.testing.assert_close(made.loss(batch), plain)


def test_offline_batches_are_triplets_of_the_labels() -> None:
    made = stage(replace(TINY, mining="offline", mining_every=2))
    batches = list(made.batches(0, np.random.default_rng(0)))
    assert len(batches) == 3
    for batch in batches:
        assert batch.triplets is not None
        assert batch.images.shape[0] == 12
        anchor, positive, negative = (batch.labels[rows] for rows in batch.triplets)
        assert torch.equal(anchor, positive)
        assert (anchor != negative).all()
    assert made.network.training, "mining leaves the network in the mode it was in"


def test_collapsed_embeddings_are_trained_on_random_batches(caplog: pytest.LogCaptureFixture) -> None:
    made = stage(replace(TINY, mining="offline"))
    torch.nn.init.zeros_(made.network.extractor.projector.weight)
    batches = list(made.batches(0, np.random.default_rng(0)))
    assert [batch.triplets for batch in batches] == [None] * 3
    assert made.loss(batches[0]).isfinite()
    assert "no semi-hard triplets" in caplog.text


def test_batches_of_p_labels_have_k_examples_of_each() -> None:
    identities = tuple(f"person {number}" for number in range(9))
    made = stage(replace(TINY, labels_per_batch=4), train=faces(36, identities), dev=faces(18, identities))
    for batch in made.batches(0, np.random.default_rng(0)):
        counts = np.unique(batch.labels.numpy(), return_counts=True)[1]
        assert counts.tolist() == [3] * 4
    with pytest.raises(MiningError, match="lower it"):
        first_batch(stage(replace(TINY, labels_per_batch=5)))


def test_mixing_blends_images_and_their_cross_entropies() -> None:
    made = stage(replace(TINY, mixup=0.4, metric_weight=1.0))
    batch = first_batch(made)
    assert batch.shares is not None
    assert int((batch.shares < 1).sum()) <= 6
    assert (batch.shares >= 0.5).all()
    assert made.loss(batch).isfinite()


def test_a_mixed_image_is_of_two_labels_by_their_shares() -> None:
    images = torch.eye(4)[:, :, None, None]
    batch = ExtractorBatch(images, torch.arange(4), torch.zeros(4, 4))
    mixed = mix(batch, 1.0, 1.0, np.random.default_rng(0))
    assert mixed.shares is not None
    assert mixed.partners is not None
    for row in range(4):
        expected = mixed.shares[row] * images[row] + (1 - mixed.shares[row]) * images[mixed.partners[row]]
        torch.testing.assert_close(mixed.images[row], expected)
    made = stage(replace(TINY, metric_weight=0.0, label_smoothing=0.0))
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    both = [
        torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        for labels in (mixed.labels, mixed.labels[mixed.partners])
    ]
    expected = (mixed.shares * both[0] + (1 - mixed.shares) * both[1]).mean()
    torch.testing.assert_close(made._classification(logits, mixed), expected)


def test_when_all_images_are_mixed_the_metric_losses_see_none() -> None:
    made = stage(replace(TINY, mixup=1.0, mixed=1.0, metric_weight=1.0))
    batch = first_batch(made)
    assert made._metric(torch.randn(12, 4), batch) == 0


def test_dev_is_judged_by_the_head_and_the_probes() -> None:
    made = stage()
    metrics = made.evaluate(made.model)
    assert set(metrics) == {"accuracy", "unweighted_accuracy", "macro_f1", "knn", "linear_probe"}
    made.settings = replace(TINY, probe=ProbeSettings(enabled=False))
    assert set(made.evaluate(made.model)) == {"accuracy", "unweighted_accuracy", "macro_f1"}


def test_identities_that_training_lacks_are_judged_by_their_neighbours_in_dev() -> None:
    of_other_names = stage(train=faces(36, ("ann", "bob", "eve")), dev=faces(16, ("joe", "kim")))
    assert set(of_other_names.evaluate(of_other_names.model)) == {"knn", "linear_probe"}
    train, dev = faces(36, ("ann", "bob")), faces(16, ("ann", "bob"))
    everyone = ("ann", "bob", "joe", "kim")
    of_one_list = stage(
        train=replace(train, classes=everyone), dev=replace(dev, labels=dev.labels + 2, classes=everyone)
    )
    assert set(of_one_list.evaluate(of_one_list.model)) == {"knn", "linear_probe"}


@pytest.mark.slow
def test_training_by_the_metric_losses_alone_separates_the_labels(tmp_path: Path) -> None:
    settings = replace(
        TINY, fit=replace(FIT, epochs=4), classification_weight=0.0, metric_weight=1.0, small_epochs=4, rate=1e-3
    )
    made = stage(settings, train=faces(72), dev=faces(18, seed=1))
    best = fit(made, settings.fit, tmp_path)
    assert best["knn"] > 0.8


@pytest.mark.slow
def test_mining_offline_resumes_with_the_same_triplets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(TINY, fit=replace(FIT, epochs=2), mining="offline", small_epochs=2)
    whole, broken, resumed = (stage(settings) for _ in range(3))
    fit(whole, settings.fit, tmp_path / "whole")
    batches = broken.batches

    def interrupted(epoch: int, generator: np.random.Generator) -> Iterator[ExtractorBatch]:
        if epoch == 1:
            raise KeyboardInterrupt
        return batches(epoch, generator)

    monkeypatch.setattr(broken, "batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(broken, settings.fit, tmp_path / "broken")
    fit(resumed, settings.fit, tmp_path / "broken")
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_outputs_do_not_depend_on_the_batching_and_can_be_smaller() -> None:
    made, some = stage(), faces(5)
    whole, first = face_outputs(made.model, some), face_outputs(made.model, FaceSet(some.pixels[:2], some.labels[:2]))
    assert whole.embeddings[:2] == pytest.approx(first.embeddings, abs=1e-4)
    assert face_outputs(made.model, some, size=32).embeddings.shape == whole.embeddings.shape


def test_faces_may_be_of_another_size_all_the_way() -> None:
    made = stage(replace(TINY, small_epochs=0, size=48))
    assert first_batch(made).images.shape[-2:] == (48, 48)
    assert made.network.size == 48
    assert made.dev_output(made.model).embeddings == pytest.approx(
        face_outputs(made.model, made.dev, size=48).embeddings, abs=1e-5
    )


def with_votes(some: FaceSet, label: int) -> FaceSet:
    """Return faces for whose label everybody has voted, whatever theirs is."""
    votes = np.zeros((len(some.labels), len(some.classes)), np.float32)
    votes[:, label] = 1
    return replace(some, votes=votes)


def test_votes_are_learned_beside_the_labels_by_the_share_that_is_set() -> None:
    made = stage(replace(TINY, label_share=0.25, metric_weight=0.0), train=with_votes(faces(36), 2))
    batch = first_batch(made)
    assert batch.targets is not None
    assert batch.labels.tolist() == [2] * 12, "what most of the target is, for the metric losses"
    own = torch.full((12, 3), 0.0)
    own[:, 2] = 0.75
    shares = (batch.targets - own).sort(dim=1).values
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.0, 0.25]).expand(12, 3))
    logits = made.model.eval()(batch.images)[1]
    expected = torch.nn.functional.cross_entropy(logits, batch.targets, label_smoothing=0.1)
    torch.testing.assert_close(made.loss(batch), expected)


def test_smaller_corpora_are_seen_more_often_as_is_set() -> None:
    both = joined({"fer2013": faces(36), "faces_press": faces(12)})
    assert corpus_repeats(both, 0.0).tolist() == [1.0] * 48
    assert corpus_repeats(both, 0.5).tolist() == pytest.approx([1.0] * 36 + [3**0.5] * 12)
    made = stage(replace(TINY, balance=1.0), train=both)
    rows = made.draw(np.random.default_rng(0))
    assert rows.shape == (made.steps(), 12) == (6, 12)
    times = np.bincount(rows.ravel(), minlength=48)
    assert times.tolist() == [1] * 36 + [3] * 12


def test_a_share_of_a_time_is_drawn_and_every_batch_is_whole() -> None:
    made = stage(replace(TINY, balance=0.5), train=joined({"fer2013": faces(36), "faces_press": faces(12)}))
    drawn = [made.draw(np.random.default_rng(seed)) for seed in range(40)]
    assert {rows.shape for rows in drawn} == {(4, 12)}
    often = np.mean([np.bincount(rows.ravel(), minlength=48) for rows in drawn], axis=0)
    assert often[36:].mean() / often[:36].mean() == pytest.approx(3**0.5, rel=0.1)


def test_dev_is_judged_on_each_corpus() -> None:
    dev = joined({"fer2013": faces(18, LABELS, seed=1), "faces_press": faces(9, LABELS)})
    settings = replace(TINY, probe=ProbeSettings(enabled=False))
    made = stage(settings, train=faces(36, LABELS), dev=dev)
    assert {"accuracy", "mean_accuracy", "fer2013", "faces_press", "faces_press neutral"} <= set(
        made.evaluate(made.model)
    )


def test_faces_are_changed_as_cameras_change_them_where_that_is_set() -> None:
    plain, seen = first_batch(stage()), first_batch(stage(replace(TINY, camera=True)))
    assert plain.images.shape == seen.images.shape
    assert not torch.equal(plain.images, seen.images)


def test_a_mobilenet_starts_from_pretrained_weights_unless_its_training_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "pretrained_faces", lambda _: folded_network())
    settings = replace(
        TINY, backbone="mobilenet_v1_faces", pretrained=tmp_path / "models.tgz", frozen_layers=2, size=48
    )
    made = stage(settings)
    assert made.network.backbone == "mobilenet_v1_faces"
    first, *_, last = mobilenet(made).layers
    assert isinstance(first, NormedConvolution)
    assert isinstance(last, NormedConvolution)
    assert torch.equal(first.convolution.weight, torch.full_like(first.convolution.weight, 0.01))
    made.model.train()
    made.loss(first_batch(made)).backward()  # type: ignore[no-untyped-call]
    assert first.convolution.weight.grad is None
    assert last.convolution.weight.grad is not None
    monkeypatch.setattr(face, "pretrained_faces", lambda _: pytest.fail("read again"))
    VisualStage(made.train, made.dev, settings, begun=True)


def test_a_training_may_go_on_from_the_checkpoint_of_an_earlier_one(tmp_path: Path) -> None:
    earlier = stage()
    torch.nn.init.constant_(earlier.network.head.bias, 3.0)
    save_checkpoint({"model": earlier.network.state_dict()}, tmp_path / "best.pt")
    made = stage(replace(TINY, pretrained=tmp_path / "best.pt", fit=replace(FIT, seed=1)))
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(tensor, earlier.network.state_dict()[name])
    with pytest.raises(CheckpointError, match=r"nowhere\.pt is missing"):
        stage(replace(TINY, pretrained=tmp_path / "nowhere.pt"))


def folded_network() -> list[FoldedConvolution]:
    weights = [layer.convolution.weight for layer in MobileNetV1().layers if isinstance(layer, NormedConvolution)]
    return [FoldedConvolution(torch.full_like(weight, 0.01), torch.zeros(len(weight))) for weight in weights]


def mobilenet(made: VisualStage) -> MobileNetV1:
    backbone = made.network.extractor.backbone
    assert isinstance(backbone, MobileNetV1)
    return backbone


def test_settings_are_checked_and_part_of_a_configuration() -> None:
    class Config(BaseModel):
        visual: VisualSettings = VisualSettings()

    made = Config.model_validate({"visual": {"mining": "offline", "loss_weights": {"triplet": 1}}})
    assert made.visual.loss_weights == ExtractorLossWeights(1, 5, 1)
    assert Config.model_validate(made.model_dump()) == made
    for wrong, reason in (
        ({"mining": "soft"}, "semi-hard"),
        ({"tripletform": "facenet"}, "tripletform"),
        ({"mining": "offline", "mixup": 0.2}, "mixup=0"),
        ({"labels_per_batch": 40}, "lower it"),
        ({"pretrained": "models.tgz"}, "backbone=mobilenet_v1_faces"),
        ({"frozen_layers": 2}, "backbone=mobilenet_v1_faces"),
    ):
        with pytest.raises(ValidationError, match=reason):
            Config.model_validate({"visual": wrong})


def test_the_paper_s_settings_are_its_losses_alone_by_adam() -> None:
    paper = VisualSettings.paper()
    assert (paper.rate, paper.weight_decay, paper.fit.optimizer, paper.fit.epochs) == (1e-4, 1e-6, "adam", 100)
    assert (paper.classification_weight, paper.metric_weight) == (0, 1)
    assert paper.loss_weights == ExtractorLossWeights(20, 5, 1)
