import pytest

from stream.settings import TranscriberSettings
from stream.speech.guards import Passage, doubt, in_doubt, in_doubt_beside_others, is_invented, rejection
from stream.speech.transcript import Word

SETTINGS = TranscriberSettings()


def passage(
    text: str,
    *,
    no_speech: float = 0.1,
    log_probability: float = -0.4,
    compression: float = 1.0,
    probability: float = 0.9,
    each_ms: float = 300.0,
) -> Passage:
    words = tuple(Word(w, i * each_ms, (i + 1) * each_ms, probability) for i, w in enumerate(text.split()))
    return Passage(words, text, no_speech, log_probability, compression)


def test_plain_words_are_believed() -> None:
    assert rejection(passage("I did not know you were there."), SETTINGS) is None


@pytest.mark.parametrize("text", ["", " ", "...", "♪ ♪"])
def test_no_words_are_none(text: str) -> None:
    assert rejection(passage(text), SETTINGS) == "no words"


def test_unlikely_words_in_what_sounds_like_no_speech_are_invented() -> None:
    assert rejection(passage("a cat sat", no_speech=0.9, log_probability=-1.2), SETTINGS) == "no speech"
    assert rejection(passage("a cat sat", no_speech=0.9, log_probability=-0.5), SETTINGS) is None
    assert rejection(passage("a cat sat", no_speech=0.2, log_probability=-1.2), SETTINGS) is None


def test_a_stock_phrase_is_invented_only_when_the_model_doubts_it() -> None:
    assert rejection(passage("you", no_speech=0.95, log_probability=-0.93, probability=0.14), SETTINGS) == "no speech"
    assert rejection(passage("Thank you.", no_speech=0.95, probability=0.9), SETTINGS) is None
    assert rejection(passage("Thank you.", no_speech=0.1, probability=0.3), SETTINGS) is None
    assert rejection(passage("Leave me", no_speech=0.95, probability=0.3), SETTINGS) is None


def test_hopeless_words_are_not_understood() -> None:
    assert rejection(passage("one two three", log_probability=-2.5), SETTINGS) == "not understood"


def test_repetition_is_rejected() -> None:
    assert rejection(passage("no " * 40, compression=8.0), SETTINGS) == "repetition"


def test_words_faster_than_anybody_speaks_are_rejected() -> None:
    text = "everything that could be said about it was said at once here"
    assert rejection(passage(text, each_ms=20), SETTINGS) == "faster than speech"
    assert rejection(passage("Oh no.", each_ms=5), SETTINGS) is None


def test_the_settings_decide() -> None:
    lax = TranscriberSettings(compression_ratio_threshold=10.0, log_probability_threshold=-5.0)
    assert rejection(passage("no " * 40, compression=8.0, log_probability=-2.5), lax) is None


def test_likely_words_leave_no_doubt() -> None:
    assert not in_doubt([passage("I did not know"), passage("you were there.")], SETTINGS)


@pytest.mark.parametrize("log_probability", [-0.81, -1.5])
def test_less_likely_words_are_to_be_heard_again(log_probability: float) -> None:
    assert in_doubt([passage("I did not know"), passage("a bead", log_probability=log_probability)], SETTINGS)


def test_no_words_and_words_that_are_not_believed_are_to_be_heard_again() -> None:
    assert in_doubt([], SETTINGS)
    assert in_doubt([passage("la la la la", compression=3.0)], SETTINGS)


@pytest.mark.parametrize(
    ("log_probability", "probability", "doubted"),
    [(-1.1, 0.45, True), (-0.7, 0.45, False), (-1.1, 0.75, False), (-0.3, 0.95, False)],
)
def test_unlikely_words_of_which_each_is_unsure_are_doubted(
    log_probability: float, probability: float, doubted: bool
) -> None:
    heard = passage("how to appen't country seems argan", log_probability=log_probability, probability=probability)
    assert (doubt([heard], SETTINGS) is not None) == doubted
    assert doubt([heard], TranscriberSettings(word_probability=0)) is None


def test_many_sure_words_outweigh_a_few_unsure_ones() -> None:
    sure = passage("I did not know you were there and that you waited")
    assert doubt([sure, passage("a bead", log_probability=-1.2, probability=0.3)], SETTINGS) is None
    assert doubt([], SETTINGS) is None


def test_from_when_on_words_are_doubted_is_a_setting() -> None:
    doubtful = passage("a bead", log_probability=-0.7)
    assert in_doubt([doubtful], TranscriberSettings(retry_log_probability=-0.6))
    assert not in_doubt([doubtful], SETTINGS)


def test_words_of_a_window_that_holds_several_sounds_are_judged_each_by_their_own_probabilities() -> None:
    def judged(probability: float) -> bool:
        words = passage("that is what he said", probability=probability).words
        return in_doubt([Passage.of(words, 0.1)], SETTINGS)

    assert not judged(0.9)
    assert judged(0.2)
    assert in_doubt([Passage.of((), 0.1)], SETTINGS), "without words"
    assert in_doubt([Passage.of(passage("no " * 40).words, 0.1)], SETTINGS), "a loop"


def test_stock_phrases_are_known_however_they_are_written() -> None:
    assert is_invented("Thank you.")
    assert not is_invented("Thank you, Ann.")


@pytest.mark.parametrize(
    ("heard", "sound_ms", "doubtful"),
    [
        (passage("that is what he said"), 2_000, False),
        (passage("it."), 2_000, True),
        (passage("it.", each_ms=1_500), 2_000, True),
        (passage("It's eleven o'clock. It's eleven o'clock.", each_ms=150), 1_400, True),
        (passage("that is what he said", probability=0.55), 2_000, True),
        (passage("Thank you."), 1_000, True),
    ],
    ids=[
        "plain",
        "a word of the sound before",
        "the same, drawn out",
        "those of two sounds",
        "unsure",
        "a stock phrase",
    ],
)
def test_words_that_do_not_fit_their_sound_may_be_those_of_the_one_beside_it(
    heard: Passage, sound_ms: float, *, doubtful: bool
) -> None:
    assert in_doubt_beside_others(heard, sound_ms, SETTINGS) is doubtful
