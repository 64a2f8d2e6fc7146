"""docs/client-python.md names what there is."""

import ast
import re
from pathlib import Path

import pytest

import m2fnet_client
from m2fnet_client import BlockingSession, ClientError, Session
from m2fnet_client.buffer import LIMIT
from m2fnet_client.errors import ClientCode
from wire.backoff import Retry

DOCUMENT = (Path(__file__).parents[2] / "docs" / "client-python.md").read_text(encoding="utf-8")


def names(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_both_clients_have_the_same_methods() -> None:
    assert names(Session) - {"admitted", "close"} == names(BlockingSession)


@pytest.mark.parametrize("name", sorted(names(BlockingSession)))
def test_every_method_is_described(name: str) -> None:
    assert re.search(rf"`{name}[`(]", DOCUMENT)


def test_every_exception_and_each_code_is_described() -> None:
    for name, value in vars(m2fnet_client).items():
        if isinstance(value, type) and issubclass(value, ClientError):
            assert f"`{name}`" in DOCUMENT
    for code in ClientCode:
        assert f"`{code}`" in DOCUMENT


def test_the_numbers_are_those_of_the_code() -> None:
    retry = Retry()
    assert f"after {retry.first_s} s, then twice as long each time up to {retry.longest_s:.0f} s" in DOCUMENT
    assert f"after {retry.attempts} tries in a row" in DOCUMENT
    assert f"up to {LIMIT // 2**20} MiB" in DOCUMENT


def test_the_first_program_is_one() -> None:
    code = re.search(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert code
    ast.parse(code[1])
