from pathlib import Path

import pytest

from models.files.config_file import ConfigError
from trainer.config import LEARNED, TrainConfig, load_train_config, save_train_config

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CONFIGS = sorted((CHECKOUT / "configs").glob("*.yaml"))


def problems(*words: str, file: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_train_config(file, words)
    return str(caught.value).splitlines()


def test_nothing_given_is_the_defaults() -> None:
    assert load_train_config() == TrainConfig()


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_configuration_of_the_checkout_loads_and_can_be_saved(file: Path, tmp_path: Path) -> None:
    config = load_train_config(file)
    save_train_config(config, tmp_path / "config.yaml")
    assert load_train_config(tmp_path / "config.yaml") == config
    assert config.dataset.kind in file.stem or file.stem == "starter"


def test_the_paper_s_figures() -> None:
    meld, iemocap = (load_train_config(CHECKOUT / "configs" / f"{name}.yaml") for name in ("meld", "iemocap"))
    assert (meld.fusion.encoders, iemocap.fusion.encoders) == (1, 5)
    for config in (meld, iemocap):
        assert config.text.encoder == "roberta-large"
        assert (config.text.context.past, config.text.context.future) == (1, 1)
        assert (config.audio.fit.epochs, config.visual.fit.epochs) == (60, 100)
        assert {config.audio.fit.optimizer, config.visual.fit.optimizer} == {"adam"}
        assert (config.audio.rate, config.audio.weight_decay) == (1e-4, 1e-6)
        weights = config.visual.loss_weights
        assert (weights.triplet, weights.covariance, weights.variance) == (20, 5, 1)
        assert (config.fusion.fusion_layers, config.fusion.rate, config.fusion.regime) == (5, 5e-4, "full")
        assert 0.4 <= config.fusion.dropout <= 0.5
        assert config.features.frames == 15


@pytest.mark.parametrize("name", ["meld-live", "iemocap-live"])
def test_live_trainings_know_nothing_of_the_future(name: str) -> None:
    config = load_train_config(CHECKOUT / "configs" / f"{name}.yaml")
    assert config.text.context.future == 0
    assert config.fusion.regime in {"prefix", "causal"}
    assert config.fusion.dialog_dropout > 0


def test_words_change_a_file_at_any_depth(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("fusion:\n  dropout: 0.2\n  fit:\n    patience: 2\n")
    config = load_train_config(file, ["fusion.fit.epochs=3", "output.modalities=text,audio", "text.encoder=none"])
    assert (config.fusion.dropout, config.fusion.fit.patience, config.fusion.fit.epochs) == (0.2, 2, 3)
    assert config.fusion.fit.select == TrainConfig().fusion.fit.select
    assert config.output.modalities == ("text", "audio")
    assert config.text.encoder is None


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("fusoin.rate=1", "fusoin: unknown; did you mean fusion?"),
        ("fusion.rat=1", "fusion.rat: unknown; did you mean rate?"),
        ("fusion.fit.epoch=1", "fusion.fit.epoch: unknown; did you mean epochs?"),
        ("text.context.pastt=1", "text.context.pastt: unknown; did you mean past?"),
        ("fusion.fit.epochs=0", "fusion.fit.epochs: input should be greater than or equal to 1, not '0'"),
        ("fusion.fit=3", "fusion.fit: is a section and needs keys under it, not '3'"),
    ],
)
def test_what_is_wrong_is_told_with_the_nearest_name(word: str, line: str) -> None:
    assert problems(word) == [line]


def test_every_learned_section_takes_the_seed() -> None:
    config = TrainConfig().with_seed(7)
    assert {getattr(config, name).fit.seed for name in LEARNED} == {7}
    assert config.with_seed(0) == TrainConfig()


def test_data_are_looked_for_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("M2FNET_DATA", str(tmp_path))
    config = load_train_config(overrides=["faces.root=elsewhere"])
    assert config.dataset.folder() == tmp_path / "meld"
    assert config.speech.folder() == tmp_path
    assert config.faces.folder() == Path("elsewhere")


def test_a_corpus_that_there_is_not() -> None:
    (line,) = problems("speech.datasets=ravdes,emodb")
    assert line.startswith("speech.datasets.0: input should be 'ravdess', 'emodb'")


def test_a_choice_called_none_is_not_nothing() -> None:
    assert load_train_config(overrides=["fusion.imbalance.remedy=none"]).fusion.imbalance.remedy == "none"


def test_a_bundle_without_text_is_refused() -> None:
    assert problems("output.modalities=audio") == [
        "output.modalities: every bundle has text; what text alone or others reach is `m2fnet evaluate`'s"
    ]
