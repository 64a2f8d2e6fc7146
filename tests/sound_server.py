"""A sound server of the test's own, PulseAudio, with a microphone that hears what is played."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

OUTPUT = "load-module module-null-sink sink_name=vm\nset-default-source vm.monitor\n"
NO_OUTPUT = "load-module module-null-source source_name=silence\n"
OPTIONS = ("--exit-idle-time=-1", "--disable-shm", "--log-level=error")


@contextmanager
def sound_server(folder: Path, *, output: bool = True) -> Iterator[Mapping[str, str]]:
    """Yield the environment of programs that use it; without ``output`` there is a silent microphone alone."""
    if not shutil.which("pulseaudio") or not shutil.which("paplay"):
        pytest.skip("needs PulseAudio: apt install pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins")
    runtime = folder / "pulse"
    runtime.mkdir(mode=0o700)
    there = {"XDG_RUNTIME_DIR": str(runtime), "HOME": str(runtime), "PULSE_SERVER": f"unix:{runtime}/native"}
    environment = os.environ | there
    script = runtime / "devices.pa"
    devices = OUTPUT if output else NO_OUTPUT
    script.write_text(f"load-module module-native-protocol-unix socket={runtime}/native\n{devices}")
    # As a daemon it returns when it is ready.
    subprocess.run(["pulseaudio", "-n", "-F", str(script), "--daemonize=yes", *OPTIONS], env=environment, check=True)
    try:
        yield there
    finally:
        stop_sound_server(there)


def stop_sound_server(there: Mapping[str, str]) -> None:
    """Stop the server with this environment; it may have been stopped before."""
    subprocess.run(["pulseaudio", "--kill"], env=os.environ | there, check=False)


@contextmanager
def played(file: Path, there: Mapping[str, str]) -> Iterator[None]:
    """Play a file, once, while the block runs."""
    with subprocess.Popen(["paplay", "--device=vm", str(file)], env=os.environ | there) as player:
        try:
            yield
        finally:
            player.kill()
