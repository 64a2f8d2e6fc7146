import threading

import numpy as np

from stream.dialog.dialog import ALONE, DialogUtterance
from stream.dialog.shared_dialog import SharedDialog

JOY = {"joy": 0.5, "anger": 0.5}


def said(identity: int, session: str = "a", start_ms: float = 0.0) -> DialogUtterance:
    return DialogUtterance(identity, session, 0, 1, "so", session=session, room_start_ms=start_ms)


def test_revisions_count_from_0_for_each_utterance_of_each_session() -> None:
    dialog = SharedDialog(4)
    assert [dialog.early(key) for key in [("a", 0), ("a", 0), ("b", 0)]] == [0, 1, 0]
    assert dialog.keep(said(0), JOY, ALONE)[1] == 2
    assert dialog.keep(said(1), JOY, ALONE)[1] == 0


def test_what_was_forgotten_meanwhile_is_not_brought_back() -> None:
    dialog = SharedDialog(1)
    first, _ = dialog.keep(said(0, start_ms=0), JOY, ALONE)
    dialog.keep(said(1, start_ms=5), JOY, ALONE)
    reading = first.utterances[0].reading
    assert reading is not None
    dialog.read(("a", 0), reading, np.ones(3, np.float32))
    assert [item.id for item in dialog.now.utterances] == [1]


def test_sessions_in_threads_of_their_own_lose_nothing() -> None:
    dialog = SharedDialog(64)
    told: list[int] = []

    def speak(session: str) -> None:
        for identity in range(16):
            version = dialog.keep(said(identity, session, identity), JOY, ALONE)[0].version
            told.extend(dialog.news([((session, 0), {"joy": version / 100, "anger": 0.5})], version, 0.005).values())

    threads = [threading.Thread(target=speak, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({item.key for item in dialog.now.utterances}) == 64
    assert dialog.now.version == 64
    assert sorted(told) == sorted(list(range(1, 17)) * 4)
