import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from websockets.datastructures import Headers

from serving.http.forwarded import Forwarded, Proxies
from stream.settings import ServerSettings

OURS = Proxies(ServerSettings().proxies)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, Forwarded()),
        ({"X-Forwarded-Proto": "https"}, Forwarded("https")),
        ({"X-Forwarded-Proto": "HTTPS, http"}, Forwarded("https")),  # one proxy before another
        ({"X-Forwarded-Proto": "wss"}, Forwarded("https")),  # as some say it of WebSockets
        ({"X-Forwarded-Proto": "ws"}, Forwarded("http")),
        ({"X-Forwarded-Proto": "gopher"}, Forwarded()),
        ({"X-Forwarded-Prefix": "/emo/"}, Forwarded(None, "/emo")),
        ({"X-Forwarded-Prefix": "/"}, Forwarded()),
        ({"X-Forwarded-Prefix": "//evil.example", "X-Forwarded-Proto": "http"}, Forwarded("http")),
    ],
)
def test_what_a_proxy_says(headers: dict[str, str], told: Forwarded) -> None:
    for peer in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        assert OURS.told(peer, Headers(headers)) == told
    for stranger in ("192.0.2.1", "2001:db8::1", "fe80::1%eth0", ""):
        assert OURS.told(stranger, Headers(headers)) == Forwarded()


def test_others_are_believed_where_they_are_named() -> None:
    settings = ServerSettings.model_validate({"proxies": "172.16.5.1/12, 2001:db8::7"})
    assert settings.proxies == ("172.16.0.0/12", "2001:db8::7/128")
    proxies = Proxies(settings.proxies)
    for peer, known in (("172.20.0.3", True), ("2001:db8::7", True), ("127.0.0.1", False)):
        assert (proxies.told(peer, Headers({"X-Forwarded-Proto": "https"})).scheme == "https") is known
    assert Proxies(()).told("127.0.0.1", Headers({"X-Forwarded-Proto": "https"})) == Forwarded()
    with pytest.raises(ValidationError, match="a proxy is written as an address or a network"):
        ServerSettings.model_validate({"proxies": "proxy.example"})


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_whatever_is_said_of_the_prefix_leads_nowhere_else(said: str) -> None:
    prefix = OURS.told("127.0.0.1", Headers([("X-Forwarded-Prefix", said)])).prefix
    assert not prefix or (prefix[0] == "/" and prefix[1] != "/" and not set(prefix) & set("\"'<>\\?#\r\n "))
