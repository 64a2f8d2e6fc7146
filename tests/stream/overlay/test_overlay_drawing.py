"""What is drawn: where pixels change, where they don't, and that nothing is ever drawn beside the frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageDraw

from models.labels import LABELS
from stream.media import Image
from stream.overlay.card import render_card
from stream.overlay.drawing import draw, fitted, text_size
from stream.overlay.fonts import BUNDLED, font_for
from stream.overlay.look import ELEMENTS, Look, parse_show
from stream.overlay.signs import draw_sign, tone
from stream.overlay.view import FaceWords, ShownFace, ShownUtterance, View
from stream.overlay.wrapping import cut_end, cut_start, last_lines, wrap

ALL = Look(frozenset(ELEMENTS))
BARS = tuple((label, 1 / len(LABELS)) for label in LABELS)
ROW = ShownUtterance("Ana", "I got the job!", "joy")
LONG = "word " * 300


def grey(width: int = 640, height: int = 360) -> Image:
    return np.full((height, width, 3), 128, np.uint8)


def changed(image: Image, drawn: Image) -> np.ndarray:
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    return (image != drawn).any(axis=2)


def test_nothing_is_drawn_of_nothing() -> None:
    image = grey()
    assert np.array_equal(draw(image, View(), ALL), image)


def test_frame_given_is_left_as_it_is() -> None:
    image = grey()
    draw(image, View((ROW,), BARS, (ShownFace((100, 100, 200, 200), "joy"),)), ALL)
    assert (image == 128).all()


def test_face_is_marked_at_its_corners_and_not_covered() -> None:
    marks = changed(grey(), draw(grey(), View(faces=(ShownFace((300, 100, 400, 220)),)), ALL))
    rows, columns = np.nonzero(marks)
    assert (rows.min(), columns.min()) >= (95, 295)
    assert (rows.max(), columns.max()) <= (225, 405)
    assert not marks[110:210, 310:390].any()
    for y in (100, 220):
        for x in (300, 400):
            assert marks[y - 2 : y + 3, x - 2 : x + 3].any()


def test_expression_is_written_above_the_face_in_its_colour() -> None:
    drawn = draw(grey(), View(faces=(ShownFace((300, 100, 400, 220), "joy"),)), ALL)
    above = drawn[70:95, 295:405]
    assert (above != 128).any()
    assert (np.abs(drawn.astype(int) - tone("joy")).sum(axis=2) < 30).any()


def test_expression_of_a_face_at_the_upper_edge_is_inside_it() -> None:
    drawn = draw(grey(), View(faces=(ShownFace((300, 0, 400, 120), "fear"),)), ALL)
    assert changed(grey(), drawn)[8:30, 305:340].all()


@pytest.mark.parametrize(
    "box",
    [(-50, -50, 20, 20), (620, 340, 900, 500), (-10, -10, 700, 400), (1e6, 1e6, 2e6, 2e6), (50, 50, 50, 50)],
)
def test_face_beside_the_frame_does_no_harm(box: tuple[float, float, float, float]) -> None:
    drawn = draw(grey(), View(faces=(ShownFace(box, "anger"),)), ALL)
    assert drawn.shape == (360, 640, 3)


@pytest.mark.parametrize("place", [0, 1])
def test_of_several_faces_the_words_stand_at_the_one_that_speaks(place: int) -> None:
    boxes = ((60.0, 60.0, 160.0, 180.0), (460.0, 60.0, 560.0, 180.0))
    shown = tuple(ShownFace(box, None, number == place) for number, box in enumerate(boxes))
    look = Look(show=frozenset(("emotion",)))
    words = FaceWords(shown[place], (ShownUtterance("Ana", "Hi.", "joy"),), ())
    marks = changed(grey(), draw(grey(), View(faces=shown, by_face=(words,)), look))
    rows, columns = np.nonzero(marks)
    assert rows.min() >= boxes[place][3]
    assert abs((columns.min() + columns.max()) / 2 - (boxes[place][0] + boxes[place][2]) / 2) < 2


def test_words_at_a_face_at_the_edge_stay_in_the_frame() -> None:
    shown = (ShownFace((560.0, 200.0, 640.0, 360.0), "joy", speaking=True), ShownFace((60.0, 60.0, 160.0, 180.0)))
    view = View(faces=shown, by_face=(FaceWords(shown[0], (ROW,), BARS),))
    assert draw(grey(), view, ALL).shape == grey().shape


def test_missing_faces_leave_the_words() -> None:
    drawn = draw(grey(), View((ROW,)), ALL)
    marks = changed(grey(), drawn)
    assert marks[200:].any()
    assert not marks[:200].any()


@pytest.mark.parametrize(
    ("position", "rows", "columns"),
    [
        ("top-left", slice(0, 120), slice(0, 320)),
        ("top", slice(0, 120), slice(160, 480)),
        ("top-right", slice(0, 120), slice(320, 640)),
        ("bottom-left", slice(240, 360), slice(0, 320)),
        ("bottom", slice(240, 360), slice(160, 480)),
        ("bottom-right", slice(240, 360), slice(320, 640)),
    ],
)
def test_words_are_where_they_were_asked_for(position: str, rows: slice, columns: slice) -> None:
    look = Look(frozenset(("emotion", "transcript")), position=position)  # type: ignore[arg-type] # one of Position
    marks = changed(grey(), draw(grey(), View((ShownUtterance("Ana", "Hi.", "joy"),)), look))
    inside = marks[rows, columns].sum()
    assert 0 < inside == marks.sum()


@pytest.mark.parametrize("element", ELEMENTS)
def test_only_what_was_asked_for_is_drawn(element: str) -> None:
    view = View((ROW,), BARS, (ShownFace((100, 100, 200, 200), "joy"),))
    alone = draw(grey(), view, Look(frozenset((element,))))  # type: ignore[arg-type] # one of Element
    assert changed(grey(), alone).any()
    everything = draw(grey(), view, ALL)
    assert not np.array_equal(alone, everything)


def test_each_emotion_has_a_sign_of_its_own_apart_from_its_colour() -> None:
    signs = []
    for label in LABELS:
        sheet = Pillow.new("RGB", (80, 80))
        draw_sign(ImageDraw.Draw(sheet), (40, 40), 36, label, provisional=True)
        signs.append(np.asarray(sheet).any(axis=2))
    differences = [(a != b).mean() for number, a in enumerate(signs) for b in signs[:number]]
    assert min(differences) > 0.02


def test_provisional_differs_from_final_and_from_unknown() -> None:
    drawn = [
        render_card((ShownUtterance("", "so", label, provisional),), (), frozenset(("emotion", "transcript")), 20, 600)
        for label, provisional in (("joy", True), ("joy", False), (None, False))
    ]
    assert all(card is not None for card in drawn)
    assert len({card.tobytes() for card in drawn if card is not None}) == len(drawn)


@pytest.mark.parametrize(
    "words", [LONG, "W" * 1000, "日本語" * 200, "שלום " * 100, "😀" * 100, "a\nb\tc\0\ud800\x7f", ""]
)
@pytest.mark.parametrize("width", [64, 320, 1280])
def test_long_names_and_texts_are_cut_to_the_width(words: str, width: int) -> None:
    rows = ShownUtterance(words, words, "surprise", provisional=True), ShownUtterance(words, words)
    card = render_card(rows, BARS, ALL.show, 20, width)
    assert card is not None
    assert card.shape[1] <= width
    assert card.shape[0] < 20 * 16


SMALL = st.integers(1, 90)
PLACES = st.floats(-1e4, 1e4)


@given(SMALL, SMALL, st.tuples(PLACES, PLACES, PLACES, PLACES), st.text(max_size=80), st.integers(10, 200))
def test_whatever_is_known_the_frame_keeps_its_size(
    width: int, height: int, box: tuple[float, float, float, float], words: str, size: int
) -> None:
    view = View(
        (ShownUtterance(words, words, "fear", provisional=True), ShownUtterance(words, words)),
        BARS,
        (ShownFace(box, "joy"),),
    )
    drawn = draw(grey(width, height), view, Look(frozenset(ELEMENTS), size))
    assert drawn.shape == (height, width, 3)


def test_text_is_as_large_as_asked_for_or_as_fits() -> None:
    assert text_size(360, Look(size=33)) == 33
    assert text_size(720, Look()) == 36
    assert text_size(60, Look()) == 12


def test_frame_of_another_shape_is_fitted_undistorted() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    whole = fitted(white, 320, 180)
    assert whole.shape == (180, 320, 3)
    assert (whole[:, 71:249] == 255).all()
    assert not whole[:, :69].any()
    assert not whole[:, 251:].any()


# --- fonts


@pytest.mark.parametrize("character", list("éßłňőžøığ–’“€Ωабвשع…"))  # noqa: RUF001 - just these are meant
def test_the_font_of_the_program_has_what_europe_and_the_near_east_write(character: str) -> None:
    font = font_for(character, 20)
    assert font.path == BUNDLED
    assert bytes(font.getmask(character)) != bytes(font.getmask("\U0010ffff"))


# --- lines


def letters(text: str) -> float:
    return len(text)


@given(st.text(st.characters(categories=("L", "Zs")), max_size=60), st.integers(1, 20))
def test_lines_fit_and_hold_all_letters(text: str, width: int) -> None:
    lines = wrap(text, width, letters)
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_lines_break_between_words() -> None:
    assert wrap("one two three", 7, letters) == ["one two", "three"]


def test_last_lines_are_kept_and_the_cut_is_told() -> None:
    assert last_lines("one two three four five", 2, 9, letters) == ["…wo three", "four five"]
    assert last_lines("one two", 2, 9, letters) == ["one two"]


@given(st.text(max_size=30), st.integers(1, 20))
def test_cut_text_fits(text: str, width: int) -> None:
    assert len(cut_end(text, width, letters)) <= width
    assert len(cut_start(text, width, letters)) <= width


# --- words of the command line


def test_elements_are_listed_with_commas() -> None:
    assert parse_show("bars, emotion") == {"bars", "emotion"}


@pytest.mark.parametrize(("text", "words"), [("hat", "'hat' can't be shown"), ("", "nothing would be shown")])
def test_wrong_element_is_told_with_those_there_are(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        parse_show(text)
    assert "name, emotion, transcript, bars, faces" in str(raised.value)
