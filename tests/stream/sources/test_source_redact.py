from hypothesis import given
from hypothesis import strategies as st

from stream.sources.redact import redact_text, redact_url

words = st.text(min_size=1, max_size=20)
places = st.sampled_from(["host/path", "10.0.0.1:554/a/b", "[::1]:8554", "example.org"])
schemes = st.sampled_from(["rtsp", "http", "https", "srt"])


@given(schemes, words, words, places)
def test_user_and_password_leave_no_trace(scheme: str, user: str, password: str, place: str) -> None:
    assert redact_url(f"{scheme}://{user}:{password}@{place}") == f"{scheme}://{place}"


@given(schemes, places, words.filter(lambda text: "@" not in text))
def test_a_query_or_fragment_leaves_no_trace(scheme: str, place: str, secret: str) -> None:
    assert redact_url(f"{scheme}://{place}?token={secret}") == f"{scheme}://{place}?…"
    assert redact_url(f"{scheme}://{place}#{secret}") == f"{scheme}://{place}?…"


@given(words)
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = redact_url(f"rtsp://{text}")
    assert redact_url(once) == once


def test_addresses_inside_a_text() -> None:
    text = "can't open 'rtsp://me:pw@cam/1' nor http://cam/2?key=3, retry"
    assert redact_text(text) == "can't open 'rtsp://cam/1' nor http://cam/2?… retry"


def test_what_is_no_address_stays() -> None:
    assert redact_url("clips/me@home.mp4") == "clips/me@home.mp4"
