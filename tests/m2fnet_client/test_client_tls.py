"""Encrypted connections, with a certificate made for the test."""

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from m2fnet_client import ClientError, UnreachableError, connect
from wire import events

CREATED = events.SessionCreated(session="s", seq=1, labels=["joy"], speaker="Ann", engine="none", bundle="b")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("no openssl on this machine")
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "certificate.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test"
    alternative = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", made.name]
    subprocess.run([openssl, *command.split(), *alternative], cwd=folder, check=True, capture_output=True)
    made.write_text(made.read_text() + (folder / "key.pem").read_text())
    return made


@pytest.fixture
async def port(certificate: Path) -> AsyncIterator[int]:
    async def say(socket: ServerConnection) -> None:
        await socket.send(CREATED.model_dump_json())
        await socket.wait_closed()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(say, "127.0.0.1", 0, ssl=context) as peer:
        yield next(iter(peer.sockets)).getsockname()[1]


@pytest.mark.parametrize("scheme", ["https", "wss"])
async def test_a_certificate_of_ones_own_is_trusted_when_it_is_named(certificate: Path, port: int, scheme: str) -> None:
    async with connect(f"{scheme}://127.0.0.1:{port}", ca_file=certificate) as session:
        assert session.id == "s"


async def test_it_is_not_trusted_otherwise(port: int) -> None:
    with pytest.raises(ClientError, match="needs ca_file") as refused:
        async with connect(f"https://127.0.0.1:{port}"):
            pass
    assert refused.value.code == "tls"


async def test_it_is_for_another_host(certificate: Path, port: int) -> None:
    with pytest.raises(ClientError) as refused:
        async with connect(f"https://localhost:{port}", ca_file=certificate):
            pass
    assert refused.value.code == "tls"


async def test_the_port_is_encrypted_and_the_address_says_it_is_not(port: int) -> None:
    with pytest.raises(UnreachableError):
        async with connect(f"http://127.0.0.1:{port}"):
            pass


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_file_without_certificates(tmp_path: Path, port: int, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(ClientError, match="holds no certificates that can be read") as refused:
        async with connect(f"https://127.0.0.1:{port}", ca_file=file):
            pass
    assert refused.value.code == "tls"
