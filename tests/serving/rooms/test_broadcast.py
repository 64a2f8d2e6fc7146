import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.rooms.broadcast import KEPT_ENDED_SESSIONS, Broadcast, Channel, Subscription, SubscriptionFilter
from serving.rooms.history import History
from serving.rooms.watcher_queue import WAITING_PREVIEWS, WatcherQueue, expendability
from wire import events
from wire.events import Event, Published, Totals
from wire.media import MediaKind, decode_media

LATENCY = events.Latency(endpoint_ms=0, transcript_ms=0, features_ms=0, fusion_ms=0, total_ms=0)


def created() -> Event:
    return events.SessionCreated(labels=["joy"], speaker="Ann", engine="torch", bundle="starter")


def started(utterance: int = 1) -> Event:
    return events.SpeechStarted(utterance=utterance, speaker="Ann", start_ms=0)


def partial(utterance: int = 1, text: str = "so") -> Event:
    return events.TranscriptPartial(utterance=utterance, speaker="Ann", start_ms=0, text=text)


def faces(time_ms: int = 0) -> Event:
    return events.Faces(time_ms=time_ms, width=640, height=360, faces=[])


def emotion(utterance: int = 1, revision: int = 0, *, final: bool = True, speaking: bool = False) -> Event:
    return events.Emotion(
        utterance=utterance,
        revision=revision,
        final=final,
        speaking=speaking,
        speaker="Ann",
        start_ms=0,
        end_ms=900,
        text="so it is",
        label="joy",
        probabilities={"joy": 1.0},
        modalities=["text"],
        latency=LATENCY,
    )


def closed() -> Event:
    return events.SessionClosed(reason="client", totals=Totals())


every_event = st.one_of(
    st.builds(started, st.integers(1, 4)),
    st.builds(partial, st.integers(1, 4)),
    st.builds(faces),
    st.builds(emotion, st.integers(1, 4), final=st.booleans()),
    st.builds(events.UtteranceResumed, utterance=st.integers(1, 4)),
    st.builds(events.UtteranceDiscarded, utterance=st.integers(1, 4), reason=st.just("no words")),
    st.builds(events.Warning, code=st.just("faces.failed"), message=st.just("x")),
)


def numbered(given_events: list[Event]) -> list[Published]:
    return [Published.of(event.model_copy(update={"seq": seq})) for seq, event in enumerate(given_events, 1)]


def taken(queue: WatcherQueue, now: float = 0.0) -> list[str | bytes]:
    messages = []
    while (message := queue.take(now)) is not None:
        messages.append(message)
    return messages


def told(messages: list[str | bytes]) -> list[str]:
    return [json.loads(message)["type"] for message in messages]


def sequence(watcher: Subscription) -> list[tuple[str, int]]:
    messages = []
    while (message := watcher.take()) is not None:
        messages.append(json.loads(message))
    return [(message["type"], message["seq"]) for message in messages]


class TestWatcherQueue:
    def test_what_fits_comes_out_in_order(self) -> None:
        queue = WatcherQueue(8, 10)
        offered = numbered([created(), started(), partial(), emotion()])
        for item in offered:
            queue.offer(item, 0)
        assert taken(queue) == [item.text for item in offered]
        assert (queue.dropped.events, len(queue)) == (0, 0)

    def test_the_most_expendable_goes_first(self) -> None:
        order = [
            partial(),
            emotion(final=False, speaking=True),
            faces(),
            started(),
            emotion(final=False),
            events.Warning(code="x", message="x"),
            events.UtteranceResumed(utterance=1),
        ]
        queue = WatcherQueue(len(order), 10)
        for item in numbered(order[::-1]):
            queue.offer(item, 0)
        for _ in order:
            queue.offer(Published.of(emotion()), 0)
        assert told(taken(queue)) == ["warning", *["emotion"] * len(order)]
        assert queue.dropped.events == len(order)

    def test_among_equals_the_oldest_goes(self) -> None:
        queue = WatcherQueue(2, 10)
        for text in ("one", "two", "three"):
            queue.offer(Published.of(partial(text=text)), 0)
        assert [json.loads(message).get("text") for message in taken(queue)] == [None, "two", "three"]

    def test_a_new_expendable_event_does_not_push_out_a_final_one(self) -> None:
        queue = WatcherQueue(2, 10)
        for event in (emotion(1), emotion(2), partial()):
            queue.offer(Published.of(event), 0)
        assert told(taken(queue)) == ["warning", "emotion", "emotion"]

    def test_final_events_go_last(self) -> None:
        ranks = {
            event.type: expendability(event)
            for event in (created(), closed(), emotion(), events.Error(code="x", message="x", fatal=True))
        }
        assert set(ranks.values()) == {5}
        assert expendability(events.Error(code="x", message="x", fatal=False)) < 5

    def test_the_watcher_is_told_of_the_count_but_not_for_every_one(self) -> None:
        queue = WatcherQueue(2, 10)
        for _ in range(5):
            queue.offer(Published.of(partial()), 0)
        first = json.loads(queue.take(0.0) or "")
        assert (first["code"], first["message"][:8], first["seq"]) == ("watcher.dropped", "3 events", 0)
        queue.take(0.0)
        for _ in range(2):
            queue.offer(Published.of(partial()), 0.1)
        assert json.loads(queue.take(0.2) or "")["type"] == "transcript.partial"
        assert json.loads(queue.take(1.3) or "")["message"].startswith("1 events")

    def test_history_comes_first_and_takes_no_room(self) -> None:
        queue = WatcherQueue(2, 10)
        queue.offer(Published.of(closed()), 0)
        queue.replay(numbered([created(), emotion(1), emotion(2), emotion(3)]))
        queue.offer(Published.of(partial()), 0)
        assert told(taken(queue)) == [
            "session.created", "emotion", "emotion", "emotion", "session.closed", "transcript.partial",
        ]  # fmt: skip
        assert queue.dropped.events == 0

    def test_only_the_newest_previews_wait_and_events_go_before_them(self) -> None:
        queue = WatcherQueue(2, 10)
        for index in range(4):
            queue.offer_preview(1, MediaKind.JPEG, b"frame %d" % index)
        queue.offer_preview(2, MediaKind.JPEG, b"another session")
        queue.offer_preview(1, MediaKind.PCM_S16, b"sound")
        queue.offer(Published.of(emotion()), 0)
        assert taken(queue)[1:] == [b"frame 2", b"frame 3", b"another session", b"sound"]
        assert queue.dropped.previews == 4 - WAITING_PREVIEWS[MediaKind.JPEG]

    def test_previews_go_before_any_event(self) -> None:
        queue = WatcherQueue(1, 10)
        queue.offer_preview(1, MediaKind.JPEG, b"frame")
        queue.offer(Published.of(emotion(1)), 0)
        queue.offer(Published.of(emotion(2)), 0)
        assert told(taken(queue)) == ["warning", "emotion"]
        assert queue.dropped.previews == 1

    def test_patience_ends_for_one_that_stays_behind(self) -> None:
        queue = WatcherQueue(4, patience_s=10)
        for _ in range(5):
            queue.offer(Published.of(emotion()), 100.0)
        assert not queue.overdue(110.0)
        assert queue.overdue(110.1)

    def test_one_event_read_is_not_caught_up_but_half_of_them_are(self) -> None:
        queue = WatcherQueue(4, patience_s=10)
        for _ in range(5):
            queue.offer(Published.of(emotion()), 100.0)
        queue.take(100.0)  # the warning
        queue.take(100.0)
        assert queue.overdue(111.0)
        queue.take(100.0)
        assert not queue.overdue(111.0)

    @given(st.lists(every_event | st.none(), max_size=120), st.integers(1, 8))
    def test_bounded_ordered_and_everything_counted(self, steps: list[Event | None], capacity: int) -> None:
        queue = WatcherQueue(capacity, 10)
        got: list[int] = []
        offered = 0
        for step in steps:
            if step is None:
                message = queue.take(0.0)
                got += [json.loads(message)["seq"]] if message else []
            else:
                offered += 1
                queue.offer(Published.of(step.model_copy(update={"seq": offered})), 0.0)
            assert len(queue) <= capacity
        got += [json.loads(message)["seq"] for message in taken(queue)]
        events_got = [seq for seq in got if seq]
        assert events_got == sorted(set(events_got))
        assert len(events_got) + queue.dropped.events == offered
        assert (0 in got) == (queue.dropped.events > 0)


class TestHistory:
    def replayed(self, given_events: list[Event], kept: int = 500) -> list[tuple[str, int]]:
        history = History(kept)
        for item in numbered(given_events):
            history.add(item)
        return [(item.event.type, item.event.seq) for item in history.replay()]

    def test_what_is_over_is_one_event(self) -> None:
        assert self.replayed(
            [created(), started(), partial(), emotion(final=False), emotion(revision=1), emotion(revision=2)]
        ) == [("session.created", 1), ("emotion", 6)]

    def test_an_older_revision_that_comes_late_does_not_replace_a_newer_one(self) -> None:
        assert self.replayed([emotion(revision=2), emotion(revision=1)]) == [("emotion", 1)]

    def test_the_open_utterance_is_told_as_it_stands(self) -> None:
        assert self.replayed([created(), started(), partial(text="so"), partial(text="so it"), faces()]) == [
            ("session.created", 1), ("speech.started", 2), ("transcript.partial", 4),
        ]  # fmt: skip

    def test_an_early_emotion_is_told_until_it_is_withdrawn(self) -> None:
        begun = [created(), started(), emotion(final=False)]
        assert self.replayed(begun)[-1] == ("emotion", 3)
        assert self.replayed([*begun, events.UtteranceResumed(utterance=1)])[-1] == ("speech.started", 2)

    def test_what_was_no_speech_is_forgotten(self) -> None:
        discarded = events.UtteranceDiscarded(utterance=1, reason="too short")
        assert self.replayed([created(), started(), discarded]) == [("session.created", 1)]

    def test_only_the_last_emotions_are_kept(self) -> None:
        assert self.replayed([created(), *(emotion(number) for number in range(1, 6))], kept=2) == [
            ("session.created", 1), ("emotion", 5), ("emotion", 6),
        ]  # fmt: skip

    def test_the_newest_configuration_and_the_end_are_told(self) -> None:
        update = events.SessionUpdated(speaker="Ann", settings={})
        assert self.replayed([created(), update, update, closed()]) == [
            ("session.created", 1), ("session.updated", 3), ("session.closed", 4),
        ]  # fmt: skip

    @given(st.lists(every_event, max_size=80))
    def test_any_history_replays_in_order_without_a_final_utterance_open(self, given_events: list[Event]) -> None:
        history = History(kept_emotions=500)
        for item in numbered(given_events):
            history.add(item)
        replay = [item.event for item in history.replay()]
        assert [event.seq for event in replay] == sorted({event.seq for event in replay})
        final = {event.utterance for event in replay if isinstance(event, events.Emotion) and event.final}
        concluded = {event.utterance for event in given_events if isinstance(event, events.Emotion) and event.final}
        assert final == concluded
        assert not [
            event for event in replay if isinstance(event, events.TranscriptPartial) and event.utterance in final
        ]


@pytest.fixture
def broadcast() -> Broadcast:
    return Broadcast(capacity=64, patience_s=10, clock=lambda: 0.0)


def no_wake() -> None:
    """Wake nobody: the test reads by itself."""


def conversation(channel: Channel) -> None:
    for event in (created(), started(), partial(), emotion()):
        channel.publish(event)


class TestBroadcast:
    def test_events_are_numbered_from_1_in_each_session(self, broadcast: Broadcast) -> None:
        watcher = broadcast.subscribe(no_wake)
        for _ in range(2):
            conversation(broadcast.open())
        expected = [("session.created", 1), ("speech.started", 2), ("transcript.partial", 3), ("emotion", 4)]
        assert sequence(watcher) == expected * 2

    def test_sessions_have_their_own_names_and_numbers(self, broadcast: Broadcast) -> None:
        channels = [broadcast.open() for _ in range(5)]
        assert len({channel.id for channel in channels}) == 5
        assert [channel.number for channel in channels] == [1, 2, 3, 4, 5]

    def test_who_comes_late_gets_the_same_numbers_and_then_what_follows(self, broadcast: Broadcast) -> None:
        channel = broadcast.open()
        conversation(channel)
        late = broadcast.subscribe(no_wake)
        channel.publish(faces())
        assert sequence(late) == [("session.created", 1), ("emotion", 4), ("faces", 5)]

    def test_nothing_follows_the_end(self, broadcast: Broadcast) -> None:
        channel = broadcast.open()
        watcher = broadcast.subscribe(no_wake)
        for event in (created(), closed(), faces()):
            channel.publish(event)
        assert sequence(watcher) == [("session.created", 1), ("session.closed", 2)]
        assert broadcast.sessions == 0

    def test_the_last_ended_sessions_are_remembered(self, broadcast: Broadcast) -> None:
        channels = [broadcast.open() for _ in range(KEPT_ENDED_SESSIONS + 1)]
        for channel in channels:
            channel.publish(created())
            channel.publish(closed())
        assert [broadcast.knows(channel.id) for channel in channels] == [False, *[True] * KEPT_ENDED_SESSIONS]
        assert len(sequence(broadcast.subscribe(no_wake))) == 2 * KEPT_ENDED_SESSIONS

    def test_a_watcher_of_one_session_gets_only_that(self, broadcast: Broadcast) -> None:
        one, other = broadcast.open(), broadcast.open()
        watcher = broadcast.subscribe(no_wake, SubscriptionFilter(session=one.id))
        for channel in (one, other):
            conversation(channel)
        assert len(sequence(watcher)) == 4

    def test_previews_go_only_to_who_asked(self, broadcast: Broadcast) -> None:
        channel = broadcast.open()
        plain = broadcast.subscribe(no_wake)
        assert not channel.previewed(MediaKind.JPEG)
        viewer = broadcast.subscribe(no_wake, SubscriptionFilter(media=frozenset({MediaKind.JPEG})))
        assert channel.previewed(MediaKind.JPEG)
        assert not channel.previewed(MediaKind.PCM_S16)
        channel.preview(MediaKind.JPEG, 120.7, b"frame")
        data = viewer.take()
        assert isinstance(data, bytes)
        message = decode_media(data)
        assert (message.number, message.time_ms, message.payload) == (channel.number, 120, b"frame")
        assert plain.take() is None

    def test_what_one_who_left_missed_stays_counted(self) -> None:
        broadcast = Broadcast(capacity=2, patience_s=10)
        channel = broadcast.open()
        slow = broadcast.subscribe(no_wake)
        for _ in range(5):
            channel.publish(emotion())
        broadcast.unsubscribe(slow)
        channel.publish(emotion())
        assert broadcast.dropped.events == 3

    def test_an_ended_subscription_gives_what_waits_and_nothing_more(self, broadcast: Broadcast) -> None:
        channel = broadcast.open()
        watcher = broadcast.subscribe(no_wake)
        channel.publish(created())
        watcher.end()
        channel.publish(faces())
        assert not watcher.finished
        assert sequence(watcher) == [("session.created", 1)]
        assert watcher.finished

    def test_threads_publish_without_losing_or_repeating_a_number(self) -> None:
        broadcast = Broadcast(capacity=10_000, patience_s=10)
        channel = broadcast.open()
        watcher = broadcast.subscribe(no_wake)
        threads = [
            threading.Thread(target=lambda: [channel.publish(faces(time)) for time in range(200)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [seq for _, seq in sequence(watcher)] == list(range(1, 801))


def test_who_observes_gets_every_event_as_it_was_published_and_may_publish_itself() -> None:
    seen: list[Event] = []
    other: list[Channel] = []

    def observe(event: Event) -> None:
        seen.append(event)
        if other and event.type == "speech.started":
            other[0].publish(faces())  # the lock is free again

    broadcast = Broadcast(8, 10, observe=observe)
    other.append(broadcast.open())
    channel = broadcast.open()
    channel.publish(started())
    channel.publish(events.SessionClosed(reason="client", totals=Totals()))
    channel.publish(started(2))  # nothing is published after the end
    assert [(event.type, event.session, event.seq) for event in seen] == [
        ("speech.started", channel.id, 1),
        ("faces", other[0].id, 1),
        ("session.closed", channel.id, 2),
    ]
    assert [one.id for one in broadcast.open_channels] == [other[0].id]


def test_what_waits_for_each_connection_is_known() -> None:
    broadcast = Broadcast(8, 10)
    reader = broadcast.subscribe(lambda: None)
    broadcast.subscribe(lambda: None)
    broadcast.open().publish(created())
    reader.take()
    assert broadcast.backlogs == [0, 1]
