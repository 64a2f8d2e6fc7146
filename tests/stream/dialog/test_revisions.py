from hypothesis import given
from hypothesis import strategies as st

from stream.dialog.revisions import _REMEMBERED, Revisions

KEY = ("a", 0)


def test_only_what_changed_since_it_was_told_is_told() -> None:
    telling = Revisions()
    assert telling.kept(KEY, 1, {"joy": 0.5}) == 0
    assert telling.newer(KEY, 2, {"joy": 0.503}, least=0.005) is None
    assert telling.newer(KEY, 3, {"joy": 0.6}, least=0.005) == 1
    assert telling.newer(KEY, 3, {"joy": 0.6}, least=0.005) is None


def test_what_was_found_in_an_older_dialog_is_not_told() -> None:
    telling = Revisions()
    telling.kept(KEY, 1, {"joy": 0.5})
    assert telling.newer(KEY, 3, {"joy": 0.7}, least=0.005) == 1
    assert telling.newer(KEY, 2, {"joy": 0.1}, least=0.005) is None
    assert telling.newer(KEY, 4, {"joy": 0.7}, least=0.005) is None, "the same is not told again"
    assert telling.newer(KEY, 3, {"joy": 0.1}, least=0.005) is None, "though it makes that older"


def test_nothing_is_revised_that_may_still_be_taken_back() -> None:
    telling = Revisions()
    assert telling.early(KEY) == 0
    assert telling.newer(KEY, 5, {"joy": 0.5}, least=0.005) is None
    assert telling.kept(KEY, 6, {"joy": 0.5}) == 1


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), max_size=40))
def test_the_highest_revision_is_of_the_newest_version_that_was_found(answers: list[tuple[int, int]]) -> None:
    telling = Revisions()
    told = {telling.kept(KEY, 0, {"joy": 0.0}): (0, 0.0)}
    newest = {version: tenths / 10 for version, tenths in answers}
    for version in [version for version, _ in answers]:
        number = telling.newer(KEY, version, {"joy": newest[version]}, least=0.0)
        if number is not None:
            assert number == len(told)
            told[number] = version, newest[version]
    assert [version for version, _ in told.values()] == sorted(version for version, _ in told.values())
    last = max(newest, default=None)
    assert told[len(told) - 1][1] == (newest[last] if last is not None else 0.0)


def test_memory_is_bounded() -> None:
    telling = Revisions()
    for number in range(3 * _REMEMBERED):
        telling.kept(("a", number), number, {"joy": 0.5})
    assert len(telling._told) == _REMEMBERED
    assert telling.newer(("a", 0), 5_000, {"joy": 0.9}, least=0.005) is None, "of what is forgotten nothing is told"
