import itertools

from hypothesis import given
from hypothesis import strategies as st
from speech_clips import silence

from stream.speech.pack import GAP_MS, Pack, Packer
from stream.speech.sound import Sound
from stream.speech.transcript import Word

LONGEST_MS, SPREAD_MS = 5_000, 20_000


@st.composite
def sounds(draw: st.DrawFn) -> list[Sound]:
    made, at_ms = [], 0.0
    for pause_ms, length_ms in draw(st.lists(st.tuples(st.integers(1, 9_000), st.integers(100, 7_000)), min_size=1)):
        at_ms += pause_ms
        made.append(Sound(silence(length_ms / 1_000), at_ms))
        at_ms = made[-1].end_ms
    return made


def packed(given_: list[Sound]) -> list[Pack]:
    packer = Packer(LONGEST_MS, SPREAD_MS)
    full = [pack for sound in given_ for pack in (packer.late(sound.start_ms), packer.add(sound)) if pack]
    return [*full, *filter(None, [packer.rest()])]


@given(sounds())
def test_packs_hold_every_sound_once_in_order_and_no_more_than_fits(given_: list[Sound]) -> None:
    packs = packed(given_)
    assert [sound for pack in packs for sound in pack.sounds] == given_
    for pack in packs:
        together_ms = sum(sound.duration_ms for sound in pack.sounds) + GAP_MS * (len(pack.sounds) - 1)
        assert len(pack.samples) == round(together_ms * 16)
        assert len(pack.sounds) == 1 or together_ms <= LONGEST_MS
        assert len(pack.sounds) == 1 or pack.sounds[-1].end_ms - pack.sounds[0].start_ms <= SPREAD_MS


@given(sounds(), st.data())
def test_words_come_back_to_their_sounds_in_order_and_within_them(given_: list[Sound], data: st.DataObject) -> None:
    pack = packed(given_)[0]
    whole_ms = round(len(pack.samples) / 16)
    edges = sorted(data.draw(st.lists(st.integers(0, whole_ms + 500), min_size=2, max_size=40)))
    words = [Word(f"w{number}", start, end, 0.9) for number, (start, end) in enumerate(itertools.pairwise(edges))]
    apart = pack.apart(words)
    assert [word.text for each in apart for word in each] == [word.text for word in words]
    for sound, each in zip(pack.sounds, apart, strict=True):
        times = [time for word in each for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert all(sound.start_ms <= time <= sound.end_ms for time in times)


def test_a_word_is_of_the_sound_in_which_it_is_said() -> None:
    pack = Pack([Sound(silence(1.0), 10_000), Sound(silence(1.0), 20_000)])
    one, other = pack.apart([Word("one", 200, 700, 0.9), Word("two", 1_600, 2_100, 0.9)])
    assert one == (Word("one", 10_200, 10_700, 0.9),)
    assert other == (Word("two", 20_100, 20_600, 0.9),)


def test_what_waits_for_too_long_goes_without_company() -> None:
    packer = Packer(LONGEST_MS, SPREAD_MS)
    assert packer.add(Sound(silence(1.0), 0.0)) is None
    assert packer.late(SPREAD_MS) is None
    assert packer.late(SPREAD_MS + 1) is not None
    assert packer.start_ms is None
