import numpy as np
import pytest

from models.bundle_config import Temperatures, Thresholds
from trainer.dialogs.features import MODALITIES, DialogFeatures
from trainer.evaluation.modalities import of_utterances, parse_modalities, shown, subsets
from trainer.evaluation.scores import EvaluationError


def test_names_are_parsed_in_any_order_and_form() -> None:
    assert parse_modalities(["visual, text"]) == ("text", "face", "scene")
    assert parse_modalities(["Audio+text"]) == ("text", "audio")
    assert parse_modalities(["face", "audio"]) == ("audio", "face")


@pytest.mark.parametrize(("given", "told"), [("smell", "unknown modality 'smell'"), (" , ", "no modality")])
def test_wrong_names_are_told(given: str, told: str) -> None:
    with pytest.raises(EvaluationError, match=told):
        parse_modalities([given])


def test_there_are_seven_subsets_of_all_and_fewer_of_less() -> None:
    names = [shown(some) for some in subsets(MODALITIES)]
    assert names[:3] == ["text", "audio", "visual"]
    assert names[-1] == "text + audio + visual"
    assert len(names) == 7
    assert [shown(some) for some in subsets(("text", "face"))] == ["text", "face", "text + face"]


def test_temperature_and_threshold_are_those_of_what_an_utterance_has() -> None:
    there = np.zeros(3, np.float32)
    dialog = DialogFeatures([there, None], [there, there], [None, None], [None, None], [0, 1])
    temperatures = Temperatures(fused=1.5, fused_by={"text+audio": 2.0})
    assert of_utterances(temperatures, [dialog]).tolist() == [2.0, 1.5]
    assert of_utterances(Thresholds(fused=0.5, fused_by={"text+audio": 0.25}), [dialog]).tolist() == [0.25, 0.5]
