import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from serving.http.tokens import (
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    NOT_IN_ADDRESS,
    VARIABLE,
    Guesses,
    Token,
    TokenError,
    bearer,
    choose_token,
    is_in_address,
    is_readable_by_others,
)
from stream.settings import ServerSettings

SECRET = "a-token-that-nobody-guesses"  # noqa: S105 - of no server


@given(st.text(max_size=60))
def test_only_the_token_itself_matches(given: str) -> None:
    assert Token(SECRET).matches(given) is (given == SECRET)
    assert Token(SECRET).matches(SECRET)


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([f"Bearer {SECRET}"], SECRET),
        ([f"bearer   {SECRET} "], SECRET),
        (["Bearer "], ""),
        (["Basic abc"], None),
        ([SECRET], None),
        ([], None),
        ([f"Bearer {SECRET}", f"Bearer {SECRET}"], None),
    ],
)
def test_the_token_of_a_header(headers: list[str], token: str | None) -> None:
    assert bearer(headers) == token


@pytest.mark.parametrize("query", ["token=x", "room=a&token=", "Token=x", "access_token=x", "%74oken=x"])
def test_a_token_in_an_address_is_seen(query: str) -> None:
    assert is_in_address(query)


@given(st.text(max_size=100))
def test_any_query_has_a_token_or_not(query: str) -> None:
    assert is_in_address(query) in {True, False}


class TestChoosing:
    def test_nobody_needs_one_on_this_machine_alone(self) -> None:
        assert choose_token(ServerSettings(), exposed=False, environment={}) is None

    def test_where_others_may_come_one_is_made_that_nobody_guesses(self) -> None:
        made = [choose_token(ServerSettings(), exposed=True, environment={}) for _ in range(2)]
        assert all(token is not None and token.generated and len(token.text) >= 43 for token in made)
        assert made[0] != made[1]

    def test_one_that_was_set_is_taken(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text(f"{SECRET}\n")
        set_so = [
            (ServerSettings(token=SecretStr(SECRET)), {VARIABLE: "another-one-of-the-environment"}),
            (ServerSettings(token_file=file), {VARIABLE: "another-one-of-the-environment"}),
            (ServerSettings(), {VARIABLE: SECRET}),
        ]
        for settings, environment in set_so:
            for exposed in (True, False):
                token = choose_token(settings, exposed=exposed, environment=environment)
                assert token is not None
                assert (token.text, token.generated) == (SECRET, False)
                assert SECRET not in repr(token)

    @pytest.mark.parametrize("secret", ["short", "", "x" * 513, "with a space in the middle", "tökentökentökentöken"])
    def test_one_that_is_not_safe_is_refused_and_not_quoted(self, secret: str) -> None:
        with pytest.raises(TokenError, match=r"the token (needs 16 to 512|may only have)") as refused:
            choose_token(ServerSettings(token=SecretStr(secret)), exposed=False, environment={})
        assert not secret or secret not in str(refused.value)

    def test_a_file_that_can_not_be_read_is_one_clear_line(self, tmp_path: Path) -> None:
        with pytest.raises(TokenError, match=r"server\.token_file: .*none: No such file"):
            choose_token(ServerSettings(token_file=tmp_path / "none"), exposed=True, environment={})
        (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
        with pytest.raises(TokenError, match="not a text file"):
            choose_token(ServerSettings(token_file=tmp_path / "binary"), exposed=True, environment={})

    def test_two_places_for_one_token_are_refused(self) -> None:
        with pytest.raises(ValidationError, match="give one of them"):
            ServerSettings(token=SecretStr(SECRET), token_file=Path("token"))

    def test_the_settings_do_not_show_it(self) -> None:
        settings = ServerSettings(token=SecretStr(SECRET))
        assert SECRET not in repr(settings) + settings.model_dump_json()


@pytest.mark.skipif(os.name != "posix", reason="only POSIX tells who may read a file")
def test_a_file_that_others_may_read_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET)
    for mode, readable in ((0o600, False), (0o640, True), (0o644, True)):
        file.chmod(mode)
        assert is_readable_by_others(file) is readable


class TestGuesses:
    def test_each_wrong_one_waits_longer_up_to_a_limit(self) -> None:
        guesses = Guesses()
        delays = [guesses.wrong(float(second)) for second in range(40)]
        assert delays[:3] == [FIRST_DELAY_S, 2 * FIRST_DELAY_S, 4 * FIRST_DELAY_S]
        assert delays == sorted(delays)
        assert delays[-1] == LONGEST_DELAY_S

    def test_after_a_minute_it_is_forgotten(self) -> None:
        guesses = Guesses()
        for _ in range(100):
            guesses.wrong(0.0)
        assert guesses.wrong(61.0) == FIRST_DELAY_S


def test_how_to_give_a_token_is_told_in_one_line() -> None:
    assert "\n" not in NOT_IN_ADDRESS
    for way in ("Authorization: Bearer", '{"type": "auth", "token"', "#token="):
        assert way in NOT_IN_ADDRESS
