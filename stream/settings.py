"""All settings of the live pipeline, in one place: typed, validated, unknown keys refused.

Everything works with the defaults. A YAML file (``--config``) and ``--set section.key=value`` change them;
a WebSocket client may change the sections of :class:`ClientSettings` for its own session.
"""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, FilePath, SecretStr, model_validator

from models.face_settings import FaceSettings
from models.files.config_file import Section
from models.runtime.names import EngineName, PrecisionName
from wire.settings import Milliseconds, SegmenterSettings, SpeakingInterval


def _words(value: object) -> object:
    """Return what is written in one word with commas as several."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _named_files(value: object) -> object:
    """Return lines of ``NAME=FILE`` as a mapping; raise :class:`ValueError` where a line is none."""
    if not isinstance(value, str):
        return value
    pairs = [line.partition("=") for line in value.splitlines()]
    if not all(name.strip() and path for name, _, path in pairs):
        message = f"a person is enrolled as NAME=FILE, like Diane=diane.wav, not {value}"
        raise ValueError(message)
    return {name.strip(): path for name, _, path in pairs}


def _origin(text: str) -> str:
    """Return an origin in the form browsers send it; raise :class:`ValueError` when it is none."""
    parts = urlsplit(text)
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username)
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(rest) or "*" in text:
        message = f"an origin is written like https://example.org or http://localhost:3000, not {text}"
        raise ValueError(message)
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}".lower()


def _host(text: str) -> str:
    """Return a host's name in lower case; raise :class:`ValueError` when it has anything besides."""
    if urlsplit(f"//{text}").hostname != text.lower().strip("[]") or "*" in text:
        message = f"a host is written as a name or an address alone, like live.example.org, not {text}"
        raise ValueError(message)
    return text.lower().strip("[]")


def _network(text: str) -> str:
    """Return an address or a network; raise :class:`ValueError` when it is neither."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        message = f"a proxy is written as an address or a network, like 10.0.0.7 or 172.16.0.0/12, not {text}"
        raise ValueError(message) from None


def path_prefix(text: str) -> str:
    """Return a path without a slash at its end, empty for the root; raise :class:`ValueError` when it can't be one."""
    prefix = text.rstrip("/")
    if not _PREFIX.fullmatch(prefix):
        message = f"a path prefix is written like /emo, of letters, digits and - . _ ~, and not /web or /v1, not {text}"
        raise ValueError(message)
    return prefix


_PREFIX: Final = re.compile(r"(?!/(?:web|v1)(?:/|$))(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
Origin = Annotated[str, AfterValidator(_origin)]
Host = Annotated[str, AfterValidator(_host)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(_words)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(_words)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_words)]
Enrolled = Annotated[dict[str, FilePath], BeforeValidator(_named_files)]
PathPrefix = Annotated[str, AfterValidator(path_prefix)]


class TranscriberSettings(Section):
    """Speech recognition."""

    model: str | None = Field(None, description="folder, size (tiny.en … large-v3) or hub id; none: the offline model")
    language: str | None = Field(None, description="ISO 639-1 code; none: English models English, others detect")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the speech model runs")
    compute_type: str = Field("default", description="CTranslate2's: int8, float16, …")
    beam_size: int = Field(1, ge=1, le=10, description="more is slower and a little more exact")
    threads: int = Field(0, ge=0, description="0: half the processor's cores, at least one")
    trailing_silence_ms: Annotated[int, Field(ge=1_000, le=30_000)] = Field(
        12_000, description="silence that the model first hears after the sound, at most; 30000: its whole window"
    )
    retry_log_probability: float = Field(
        -0.8, lt=0, description="less likely text than this is heard again in the whole window"
    )
    word_probability: float = Field(
        0.6,
        ge=0,
        le=1,
        description="text that stays so unlikely, of words less sure than this, is left out; 0: none is",
    )
    max_batch: int = Field(
        0, ge=0, le=64, description="waiting stretches of several sessions heard together; 0: 16 on CUDA, 1 on the CPU"
    )
    timeout_s: float = Field(
        60.0, gt=0, le=3_600, description="hearing that takes longer, and ten times its sound, hangs: what waits fails"
    )
    queue: int = Field(16, ge=1, description="waiting jobs; the oldest partial one is dropped first")
    partial_interval_ms: Milliseconds = Field(1_000, ge=200, description="new speech between partial transcripts")
    no_speech_threshold: float = Field(0.6, gt=0, le=1, description="likelier silence than this is no text")
    log_probability_threshold: float = Field(-1.0, lt=0, description="less likely text than this is invented")
    compression_ratio_threshold: float = Field(2.4, gt=1, description="more repetitive text is invented")


class VisionSettings(Section):
    """Faces in the frames."""

    max_fps: float = Field(5.0, gt=0, le=60, description="frames analyzed a second, at most")
    processor_share: float = Field(0.4, gt=0, le=1, description="share of the time the faces may take, live")
    deadline_ms: Milliseconds = Field(500, ge=1, description="a frame that waits for longer is dropped, live")
    detect_every: int = Field(3, ge=1, le=60, description="search one of so many frames, follow faces in the others")
    min_face: int = Field(FaceSettings.min_face, ge=20, description="smallest face in pixels of the analyzed frame")
    detection_width: int = Field(
        FaceSettings.width, ge=160, description="frames are shrunk to this width before detection"
    )
    min_confidence: float = Field(FaceSettings.min_confidence, gt=0, lt=1, description="surer than this is a face")
    max_faces: int = Field(FaceSettings.max_faces, ge=1, le=64, description="faces of one frame, the largest first")
    speaking_face: Literal["auto", "off"] = Field(
        "auto",
        description="whose mouth moves as the voice does is the speaker, whose face alone counts for the utterance; "
        "off: all faces count, by their area, as they do where that can't be told",
    )

    def frames_a_second(self, *, live: bool) -> float:
        """Return how many frames a second of a source are looked at, at most, be it at mouths alone.

        With fewer it is told less surely who speaks (``benchmarks/speaking_faces.py``); of a file more cost little.
        """
        mouths = (12.5 if live else 25.0) if self.speaking_face == "auto" else 0.0
        return max(self.max_fps if live else 2 * self.max_fps, mouths)


class SpeakersSettings(Section):
    """Who speaks, where several people share a microphone."""

    tell_apart: bool = Field(default=True, description="tell the people on one microphone apart by their voices")
    most: int = Field(8, ge=1, le=26, description="people on one microphone, at most")
    enrolled: Enrolled = Field({}, description="people whose voices are known, each NAME=FILE with nobody else")
    alike: float = Field(
        0.54, gt=-1, lt=1, description="mean cosine of voice embeddings from which they are one person's"
    )
    alike_narrow: float = Field(
        0.68, gt=-1, lt=1, description="the same of a telephone's sound, in which all voices are more alike"
    )
    evidence_ms: Milliseconds = Field(
        4_000, description="speech of somebody new, before it is believed that there is one"
    )
    reluctance: float = Field(0.2, ge=0, le=10, description="how much more alike another must be for a turn to change")


class DialogSettings(Section):
    """The rolling dialog."""

    window: int = Field(16, ge=1, le=64, description="utterances the fusion sees")
    speaker_baseline: Literal["live", "always", "never"] = Field(
        "live",
        description="tell a voice against how its speaker sounded before in the conversation; live: not in analyzed "
        "files",
    )
    speaking_interval_ms: SpeakingInterval = Field(
        1_000,
        description="from one provisional emotion of an utterance that goes on to the next, live; 0: none is told",
    )
    confidence_threshold: float | None = Field(
        None, ge=0, le=1, description="a less probable emotion is told as uncertain; none: the bundle's own; 0: none is"
    )


class RuntimeSettings(Section):
    """The engine and the trained bundle."""

    bundle: Path | None = Field(None, description="starter, or a folder; none: starter")
    engine: EngineName = Field("auto", description="what computes the networks")
    precision: PrecisionName = Field("auto", description="auto: float16 in TensorRT, float32 elsewhere")
    threads: int = Field(0, ge=0, description="0: let the engine choose")
    max_batch: int = Field(16, ge=1, le=256, description="waiting inputs computed together")
    timeout_s: float = Field(
        60.0, gt=0, le=3_600, description="an engine that does not answer for longer hangs: what waits for it fails"
    )
    batch_window_ms: float = Field(
        5.0, ge=0, le=100, description="wait of an input for those of other sessions, where they are likely"
    )
    build_in_background: bool = Field(
        default=True, description="serve on another engine while the one to use is built; serve only, files wait for it"
    )


class SourcesSettings(Section):
    """Files and streams."""

    audio_track: int = Field(0, ge=0, le=256, description="which sound track, from 1; 0: the first with sound in it")
    audio_channel: int = Field(0, ge=0, le=256, description="only this channel, from 1; 0: all that can be heard")


class ServerSettings(Section):
    """The listening port and its limits."""

    host: str = Field("127.0.0.1", description="address to listen on; beyond this machine a token is needed")
    port: int = Field(8765, ge=0, le=65_535, description="0: any free port")
    max_sessions: int = Field(8, ge=1, description="sessions at once; more are refused")
    max_watchers: int = Field(64, ge=1, description="watchers at once; more are refused")
    max_rooms: int = Field(32, ge=1, description="rooms at once; more are refused")
    max_participants: int = Field(8, ge=1, description="participants of one room at once; more are refused")
    room_linger_s: float = Field(300.0, ge=0, description="an empty room is remembered for so long")
    room_history: int = Field(4_096, ge=0, description="events of a room that one who comes back gets one by one")
    watcher_queue: int = Field(256, ge=8, description="events waiting for a slow watcher")
    watcher_patience_s: float = Field(10.0, gt=0, description="a watcher full for longer is closed")
    max_message_bytes: int = Field(4_000_000, ge=64_000, description="a larger message closes its connection")
    record: Path | None = Field(None, description="folder in which all sessions are recorded; none: nothing is")
    preview_fps: float = Field(8.0, ge=0, le=30, description="frames of local sources sent to watchers; 0: none")
    token: SecretStr | None = Field(None, description="what clients must know; better in token_file or M2FNET_TOKEN")
    token_file: Path | None = Field(None, description="a file with the token and nothing else")
    auth_timeout_s: float = Field(5.0, gt=0, le=60, description="a WebSocket without the token by then is closed")
    hosts: Hosts = Field((), description="names of this server that a reverse proxy passes on; with commas")
    proxies: Networks = Field(
        ("127.0.0.0/8", "::1/128"),
        description="reverse proxies whose X-Forwarded-Proto and -Prefix are believed; with commas",
    )
    path_prefix: PathPrefix = Field("", description="the path under which a proxy shows this server, like /emo")
    origins: Origins = Field((), description="other sites whose pages may use this server; with commas")
    frame_ancestors: Origins = Field((), description="sites that may show our pages in a frame; with commas")
    tls_certificate: Path | None = Field(None, description="PEM file; with tls_key the server speaks TLS itself")
    tls_key: Path | None = Field(None, description="PEM file with the certificate's key")
    handshake_timeout_s: float = Field(10.0, gt=0, le=60, description="a request must be complete by then")
    max_connections_per_address: int = Field(
        64, ge=0, description="WebSockets of one address; 0: any number, for a server behind a proxy"
    )
    max_rate: float = Field(1.2, ge=1, le=100, description="sound may come so much faster than it is spoken")
    rate_burst_s: float = Field(30.0, ge=1, le=600, description="sound that may come at once after a stalled network")
    rate_patience_s: float = Field(10.0, gt=0, description="a client too fast for longer is closed")
    max_frames_per_s: float = Field(30.0, ge=1, le=240, description="frames a second of one client; more are dropped")
    idle_timeout_s: float = Field(300.0, ge=0, description="a client without media for longer is closed; 0: never")
    ping_interval_s: float = Field(20.0, gt=0, le=600, description="how often connections are asked whether they live")
    ping_timeout_s: float = Field(20.0, gt=0, le=600, description="one that doesn't answer for longer is closed")
    stop_timeout_s: float = Field(10.0, gt=0, le=600, description="stopping takes this long at most")
    log_format: Literal["text", "json"] = Field("text", description="json: one JSON object a line")
    log_contents: bool = Field(default=False, description="log also who says what: names, words, emotions")

    @model_validator(mode="after")
    def _whole(self) -> "ServerSettings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            message = "server.tls_certificate and server.tls_key belong together: give both or neither"
            raise ValueError(message)
        if self.token is not None and self.token_file is not None:
            message = "server.token and server.token_file: give one of them"
            raise ValueError(message)
        return self


class Settings(Section):
    """Everything ``m2fnet serve`` and ``m2fnet analyze`` can be told."""

    segmenter: SegmenterSettings = SegmenterSettings()
    transcriber: TranscriberSettings = TranscriberSettings()
    vision: VisionSettings = VisionSettings()
    dialog: DialogSettings = DialogSettings()
    speakers: SpeakersSettings = SpeakersSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    sources: SourcesSettings = SourcesSettings()
    server: ServerSettings = ServerSettings()
