"""What is checked as it is read, and what is found wrong with it in words for whoever wrote it: pure."""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError


class Strict(BaseModel):
    """Data from outside: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(NamedTuple):
    """One of them: pydantic's name for its kind, the field with dots between its parts, and why it is refused."""

    kind: str
    field: str
    why: str

    def __str__(self) -> str:
        return f"{self.field}: {self.why}" if self.field else self.why


def problems_of(error: ValidationError, *, within: int = 0) -> list[Problem]:
    """Return all, at least one; ``within`` parts of the fields' names are left out, such as the type of a message."""
    return [
        Problem(found["type"], ".".join(map(str, found["loc"][within:])), plain_reason(found["msg"]))
        for found in error.errors(include_url=False, include_input=False)
    ]


def plain_reason(message: str) -> str:
    """Return why a value is refused as who refuses it says it, without pydantic's word for that."""
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
