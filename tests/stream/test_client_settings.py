import pytest
from pydantic import ValidationError

from stream.client_settings import AT_LEAST, AT_MOST, client_settings, wanted
from stream.settings import DialogSettings, Settings
from wire.errors import ErrorCode, ProtocolError
from wire.events import Emotion, Faces, Latency, TranscriptPartial
from wire.settings import ClientSettings, SegmenterSettings


class TestClientSettings:
    def test_what_is_not_sent_stays_the_servers(self) -> None:
        base = Settings(segmenter=SegmenterSettings(threshold=0.7, confirmed_end_ms=900))
        settings = client_settings(base, ClientSettings(segmenter=SegmenterSettings(likely_end_ms=300), language="de"))
        assert settings.segmenter == SegmenterSettings(threshold=0.7, confirmed_end_ms=900, likely_end_ms=300)
        assert settings.transcriber.language == "de"

    def test_a_contradiction_with_the_servers_is_refused(self) -> None:
        base = Settings(segmenter=SegmenterSettings(likely_end_ms=450))
        with pytest.raises(ProtocolError, match="likely_end_ms") as caught:
            client_settings(base, ClientSettings(segmenter=SegmenterSettings(confirmed_end_ms=400)))
        assert caught.value.code is ErrorCode.FIELD_INVALID

    @pytest.mark.parametrize("field", AT_MOST)
    def test_a_client_may_not_have_more_than_the_servers_own(self, field: str) -> None:
        own = getattr(SegmenterSettings(), field)
        client_settings(Settings(), ClientSettings(segmenter=SegmenterSettings(**{field: own})))
        with pytest.raises(ProtocolError, match=rf"settings\.segmenter\.{field}: at most {own} here") as caught:
            client_settings(Settings(), ClientSettings(segmenter=SegmenterSettings(**{field: own + 1})))
        assert caught.value.code is ErrorCode.FIELD_INVALID

    @pytest.mark.parametrize("field", AT_LEAST)
    def test_a_client_may_not_have_less_than_the_servers_own(self, field: str) -> None:
        own = getattr(SegmenterSettings(), field)
        client_settings(Settings(), ClientSettings(segmenter=SegmenterSettings(**{field: own})))
        with pytest.raises(ProtocolError, match=rf"settings\.segmenter\.{field}: at least {own} here") as caught:
            client_settings(Settings(), ClientSettings(segmenter=SegmenterSettings(**{field: own - 1})))
        assert caught.value.code is ErrorCode.FIELD_INVALID

    def test_what_costs_nobody_anything_is_the_clients_to_choose(self) -> None:
        asked = SegmenterSettings(
            threshold=0.9, release=0.1, confirmed_end_ms=2_000, post_roll_ms=0, max_utterance_ms=5_000
        )
        assert client_settings(Settings(), ClientSettings(segmenter=asked)).segmenter == asked

    def test_a_server_that_allows_more_is_asked_for_more(self) -> None:
        base = Settings(segmenter=SegmenterSettings(max_utterance_ms=60_000))
        asked = ClientSettings(segmenter=SegmenterSettings(max_utterance_ms=30_000))
        assert client_settings(base, asked).segmenter.max_utterance_ms == 30_000

    @pytest.mark.parametrize(("own", "asked", "found"), [(1_000, None, 1_000), (1_000, 3_000, 3_000), (2_000, 0, 0)])
    def test_a_client_may_have_provisional_emotions_less_often(self, own: int, asked: int | None, found: int) -> None:
        base = Settings(dialog=DialogSettings(speaking_interval_ms=own))
        settings = client_settings(base, ClientSettings(speaking_interval_ms=asked))
        assert settings.dialog.speaking_interval_ms == found

    @pytest.mark.parametrize(("own", "why"), [(2_000, "at least 2000 here"), (0, "only 0 here")])
    def test_it_may_not_have_them_more_often(self, own: int, why: str) -> None:
        base = Settings(dialog=DialogSettings(speaking_interval_ms=own))
        with pytest.raises(ProtocolError, match=rf"settings\.speaking_interval_ms: {why}") as caught:
            client_settings(base, ClientSettings(speaking_interval_ms=1_500))
        assert caught.value.code is ErrorCode.FIELD_INVALID

    def test_nobody_has_them_more_often_than_every_second(self) -> None:
        for settings in (ClientSettings, DialogSettings):
            with pytest.raises(ValidationError, match="at least 1000, or 0 for none, not 999"):
                settings.model_validate({"speaking_interval_ms": 999})

    def test_a_language_that_is_not_known_here_is_refused_with_those_that_are(self) -> None:
        def only_english(language: str | None) -> None:
            if language not in {None, "en"}:
                message = f"no {language}; there is en"
                raise ValueError(message)

        with pytest.raises(ProtocolError, match=r"settings\.language: no de; there is en") as caught:
            client_settings(Settings(), ClientSettings(language="de"), only_english)
        assert caught.value.code is ErrorCode.FIELD_INVALID
        assert client_settings(Settings(), ClientSettings(language="en"), only_english).transcriber.language == "en"

    def test_only_what_the_client_wants_passes(self) -> None:
        partial = TranscriptPartial(utterance=1, speaker="A", start_ms=0, text="so")
        faces = Faces(time_ms=0, width=1, height=1, faces=[])
        latency = Latency(endpoint_ms=0, transcript_ms=0, features_ms=0, fusion_ms=0, total_ms=0)
        emotion = Emotion(
            utterance=1,
            revision=0,
            final=True,
            speaker="A",
            start_ms=0,
            end_ms=1,
            text="so",
            label="joy",
            probabilities={"joy": 1.0},
            modalities=["text"],
            latency=latency,
        )
        passed = [
            [event.type for event in (partial, faces, emotion) if wanted(event, client)]
            for client in (ClientSettings(), ClientSettings(faces=False), ClientSettings(partial_transcripts=False))
        ]
        assert passed == [
            ["transcript.partial", "faces", "emotion"],
            ["transcript.partial", "emotion"],
            ["faces", "emotion"],
        ]
