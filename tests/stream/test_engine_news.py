"""What a session tells of the engine, and when."""

from models.runtime.fallback import Fallback
from models.runtime.switching import EngineState
from stream.engine_news import EngineWarnings
from wire import events

TORCH, READY = EngineState("torch-cpu"), EngineState("openvino-cpu")
WAITING = EngineState("torch-cpu", "openvino")
FAILED = Fallback("openvino", "no such instruction")


def codes(told: list[events.Warning]) -> list[str]:
    return [warning.code for warning in told]


def test_nothing_is_told_of_an_engine_that_just_works() -> None:
    news = EngineWarnings()
    assert news.of(READY, []) == news.of(READY, []) == []


def test_who_starts_meanwhile_is_told_once_and_told_of_the_switch() -> None:
    news = EngineWarnings()
    (building,) = news.of(WAITING, [])
    assert (building.code, building.message) == (
        "engine.building",
        "openvino is being built; torch-cpu computes until it is ready, more slowly",
    )
    assert news.of(WAITING, []) == []
    (ready,) = news.of(READY, [])
    assert (ready.code, ready.message) == ("engine.ready", "openvino-cpu is ready and computes from now on")
    assert news.of(READY, []) == []


def test_who_starts_later_is_told_nothing_of_it() -> None:
    assert EngineWarnings().of(READY, []) == []


def test_an_engine_that_could_not_be_built_is_replaced_and_never_ready() -> None:
    news = EngineWarnings()
    news.of(WAITING, [])
    (replaced,) = news.of(TORCH, [FAILED])
    assert replaced.code == "engine.replaced"
    assert replaced.message == "no such instruction; torch-cpu is used instead of openvino"
    assert news.of(TORCH, [FAILED]) == []


def test_that_it_failed_may_be_seen_before_it_is_no_longer_built() -> None:
    news = EngineWarnings()
    news.of(WAITING, [])
    assert codes(news.of(WAITING, [FAILED])) == ["engine.replaced"]
    assert news.of(TORCH, [FAILED]) == []


def test_the_next_that_is_built_is_told_too() -> None:
    news = EngineWarnings()
    news.of(WAITING, [])
    told = news.of(EngineState("torch-cpu", "onnxruntime"), [FAILED])
    assert codes(told) == ["engine.replaced", "engine.building"]
    assert codes(news.of(EngineState("onnxruntime-cpu"), [FAILED])) == ["engine.ready"]


def test_engines_given_up_before_a_session_are_told_to_it() -> None:
    assert codes(EngineWarnings().of(TORCH, [FAILED, Fallback("onnxruntime", "no package")])) == ["engine.replaced"] * 2
