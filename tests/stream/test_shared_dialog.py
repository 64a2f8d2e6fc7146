import threading

from stream.dialog import DialogUtterance
from stream.shared_dialog import SharedDialog


def said(identity: int, session: str = "a", start_ms: float = 0.0) -> DialogUtterance:
    return DialogUtterance(identity, session, 0, 1, "so", session=session, room_start_ms=start_ms)


def test_revisions_count_from_0_for_each_utterance_of_each_session() -> None:
    dialog = SharedDialog(4)
    keys = [("a", 0), ("a", 0), ("b", 0), ("a", 1), ("a", 0)]
    assert [dialog.next_revision(key) for key in keys] == [0, 1, 0, 0, 2]


def test_only_what_changed_since_it_was_told_is_news() -> None:
    dialog = SharedDialog(4)
    first, second = said(0), said(1)
    dialog.keep(first, {"joy": 0.5, "anger": 0.5})
    dialog.keep(second, {"joy": 0.5, "anger": 0.5})
    now = [(first, {"joy": 0.6, "anger": 0.4}), (second, {"joy": 0.502, "anger": 0.498})]
    assert dialog.news(now, least=0.005) == now[:1]
    assert dialog.news(now, least=0.005) == []


def test_what_was_forgotten_meanwhile_is_not_brought_back() -> None:
    dialog = SharedDialog(1)
    dialog.keep(said(0, start_ms=0), {"joy": 1.0})
    dialog.keep(said(1, start_ms=5), {"joy": 1.0})
    dialog.read_again(said(0, start_ms=9))
    assert [item.id for item in dialog.now.utterances] == [1]


def test_sessions_in_threads_of_their_own_lose_nothing() -> None:
    dialog = SharedDialog(64)

    def speak(session: str) -> None:
        for identity in range(16):
            dialog.keep(said(identity, session, identity), {"joy": 1.0})
            dialog.next_revision((session, 0))

    threads = [threading.Thread(target=speak, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({item.key for item in dialog.now.utterances}) == 64
    assert [dialog.next_revision((name, 0)) for name in "abcd"] == [16] * 4
