from hypothesis import given
from hypothesis import strategies as st

from serving.http.headers import content_security_policy, security_headers


def rules(policy: str) -> dict[str, str]:
    return dict(rule.split(" ", 1) for rule in policy.split("; "))


def test_nothing_is_allowed_but_our_own_files() -> None:
    policy = rules(content_security_policy("localhost:8765"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == "'self' ws://localhost:8765 wss://localhost:8765"
    assert not any("unsafe" in value or "*" in value for value in policy.values())


def test_others_may_show_it_in_a_frame_if_they_are_named() -> None:
    assert security_headers("localhost")["X-Frame-Options"] == "DENY"
    headers = security_headers("localhost", ["https://studio.example"])
    assert "X-Frame-Options" not in headers
    assert rules(headers["Content-Security-Policy"])["frame-ancestors"] == "https://studio.example"


def test_an_address_of_version_6_has_its_sockets() -> None:
    assert rules(content_security_policy("[::1]:8765"))["connect-src"] == "'self' ws://[::1]:8765 wss://[::1]:8765"


@given(st.text(max_size=40))
def test_no_host_adds_a_rule(host: str) -> None:
    policy = content_security_policy(host)
    assert rules(policy).keys() == rules(content_security_policy("localhost")).keys()
    assert policy.isprintable()
    assert len(policy.split("; ")) == len(rules(policy))
