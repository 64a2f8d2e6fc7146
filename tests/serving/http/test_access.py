import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.http.access import Places, host_name, is_cross_origin, is_loopback, refusal
from stream.settings import ServerSettings


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
    assert refusal(hosts, origins, Places(bound_to)) is None


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
    assert why in (refusal(hosts, origins, Places(bound_to)) or "")


@given(st.lists(st.text(max_size=30), max_size=2), st.lists(st.text(max_size=30), max_size=2), st.text(max_size=20))
def test_any_headers_are_let_in_or_refused(hosts: list[str], origins: list[str], bound_to: str) -> None:
    why = refusal(hosts, origins, Places(bound_to))
    assert why is None or why.endswith(("header", "name", "server"))


class TestHosts:
    @pytest.mark.parametrize("bound_to", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - the point
    def test_behind_a_proxy_the_server_answers_to_the_names_that_were_set(self, bound_to: str) -> None:
        places = Places(bound_to, hosts=["live.example.org"])
        assert refusal(["live.example.org"], ["https://live.example.org"], places) is None
        assert refusal(["LIVE.example.org:443"], [], places) is None
        assert refusal(["localhost:8765"], [], places) is None
        assert "server.hosts" in (refusal(["evil.example"], [], places) or "")
        assert "other sites" in (refusal(["live.example.org"], ["https://evil.example"], places) or "")

    @pytest.mark.parametrize(
        ("settings", "exposed"),
        [
            (ServerSettings(), False),
            (ServerSettings(host="::1"), False),
            (ServerSettings(hosts=("demo.localhost",)), False),
            (ServerSettings(host="0.0.0.0"), True),  # noqa: S104 - the point
            (ServerSettings(hosts=("live.example.org",)), True),
        ],
    )
    def test_a_name_that_others_know_means_that_they_come(self, settings: ServerSettings, *, exposed: bool) -> None:
        assert Places.of(settings).exposed is exposed


class TestScheme:
    """A page over HTTP is another place than one over HTTPS: anybody on the way may have written it."""

    @pytest.mark.parametrize(
        ("host", "encrypts", "forwarded", "schemes"),
        [
            ("localhost:8765", False, None, {"http"}),
            ("[::1]:8765", False, None, {"http"}),
            ("localhost:8765", True, None, {"https"}),
            ("live.example.org", True, None, {"https"}),
            ("live.example.org", False, "https", {"https"}),
            ("live.example.org", False, "http", {"http"}),
            ("localhost", False, "https", {"https"}),
            ("live.example.org", False, None, {"http", "https"}),  # a proxy may have ended TLS and not say so
        ],
    )
    def test_only_pages_of_our_own_scheme_may_use_it(
        self, host: str, forwarded: str | None, schemes: set[str], *, encrypts: bool
    ) -> None:
        places = Places("127.0.0.1", hosts=["live.example.org"], encrypts=encrypts)
        for scheme in ("http", "https"):
            why = refusal([host], [f"{scheme}://{host}"], places, forwarded)
            assert (why is None) is (scheme in schemes)
            own = places.schemes(host, forwarded)
            assert is_cross_origin([f"{scheme}://{host}"], host, own) is (scheme not in schemes)

    def test_one_that_was_named_may_with_its_own(self) -> None:
        places = Places("127.0.0.1", origins=["http://localhost:8765"], encrypts=True)
        assert refusal(["localhost:8765"], ["http://localhost:8765"], places) is None


class TestOrigins:
    PLACES = Places("127.0.0.1", origins=["https://studio.example", "http://localhost:3000"])

    @pytest.mark.parametrize("origin", ["https://studio.example", "http://localhost:3000", "http://localhost:8765"])
    def test_sites_that_were_named_may_use_it(self, origin: str) -> None:
        assert refusal(["localhost:8765"], [origin], self.PLACES) is None
        assert is_cross_origin([origin], "localhost:8765") is (origin != "http://localhost:8765")

    @pytest.mark.parametrize(
        "origin", ["http://studio.example", "https://studio.example:8443", "https://a.studio.example", "null", ""]
    )
    def test_others_may_not(self, origin: str) -> None:
        assert "other sites" in (refusal(["localhost:8765"], [origin], self.PLACES) or "")

    def test_they_are_written_in_a_list_or_in_one_word(self) -> None:
        written = "https://Studio.example/, http://localhost:3000,https://a.example:443"
        settings = ServerSettings.model_validate({"origins": written})
        assert settings.origins == ("https://studio.example", "http://localhost:3000", "https://a.example")
        assert ServerSettings.model_validate({"origins": list(settings.origins)}) == settings

    @pytest.mark.parametrize("origin", ["*", "https://*.example", "studio.example", "https://a.example/page", "null"])
    def test_what_is_none_is_refused(self, origin: str) -> None:
        with pytest.raises(ValidationError, match="an origin is written like"):
            ServerSettings.model_validate({"origins": [origin]})

    @pytest.mark.parametrize("host", ["https://live.example", "live.example:8765", "*.example", "live.example/x"])
    def test_a_host_is_a_name_alone(self, host: str) -> None:
        with pytest.raises(ValidationError, match="a host is written"):
            ServerSettings.model_validate({"hosts": host})
