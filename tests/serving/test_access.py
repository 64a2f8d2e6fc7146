import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access import host_name, is_loopback, refusal


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("demo.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - the point
        ("192.168.1.7", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("authority", "name"),
    [("LocalHost:8765", "localhost"), ("[::1]:8765", "::1"), ("10.0.0.1", "10.0.0.1"), ("[::1", ""), ("", "")],
)
def test_the_name_is_without_port_and_brackets(authority: str, name: str) -> None:
    assert host_name(authority) == name


@pytest.mark.parametrize(
    ("hosts", "origins", "bound_to"),
    [
        (["localhost:8765"], [], "127.0.0.1"),
        (["localhost:8765"], ["http://localhost:8765"], "127.0.0.1"),
        (["[::1]:8765"], ["http://[::1]:8765"], "::1"),
        (["studio.example"], ["https://studio.example"], "0.0.0.0"),  # noqa: S104 - the point
        (["studio.example"], ["https://studio.example:443"], "0.0.0.0"),  # noqa: S104 - the point
        (["studio.example:80"], ["http://studio.example"], "10.0.0.7"),
    ],
)
def test_what_may_come_in(hosts: list[str], origins: list[str], bound_to: str) -> None:
    assert refusal(hosts, origins, bound_to) is None


@pytest.mark.parametrize(
    ("hosts", "origins", "bound_to", "why"),
    [
        ([], [], "127.0.0.1", "one Host"),
        (["localhost", "localhost"], [], "127.0.0.1", "one Host"),
        (["evil.example"], [], "127.0.0.1", "only to localhost"),
        (["evil.example"], ["http://evil.example"], "localhost", "only to localhost"),
        (["localhost:8765"], ["http://evil.example"], "127.0.0.1", "other sites"),
        (["localhost:8765"], ["http://localhost:8766"], "127.0.0.1", "other sites"),
        (["localhost:8765"], ["http://127.0.0.1:8765"], "127.0.0.1", "other sites"),
        (["localhost:8765"], ["null"], "127.0.0.1", "other sites"),
        (["localhost:8765"], ["http://localhost:8765"] * 2, "127.0.0.1", "other sites"),
        (["studio.example"], ["chrome-extension://abcdef"], "0.0.0.0", "other sites"),  # noqa: S104 - the point
    ],
)
def test_what_may_not(hosts: list[str], origins: list[str], bound_to: str, why: str) -> None:
    assert why in (refusal(hosts, origins, bound_to) or "")


@given(st.lists(st.text(max_size=30), max_size=2), st.lists(st.text(max_size=30), max_size=2), st.text(max_size=20))
def test_any_headers_are_let_in_or_refused(hosts: list[str], origins: list[str], bound_to: str) -> None:
    why = refusal(hosts, origins, bound_to)
    assert why is None or why.endswith(("header", "name", "server"))
