"""TLS with real certificates, made here by openssl."""

import asyncio
import contextlib
import json
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from running_server import Running, event, running, sound, until
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from serving.http.tls import TlsError, server_context
from stream.settings import ServerSettings

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

Make = Callable[[str, str], tuple[Path, Path]]

NOW = ("20200101000000Z", "20990101000000Z")


AUTHORITY = """
[ca]
default_ca = own
[own]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:localhost,IP:127.0.0.1
[req]
distinguished_name = any
"""


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return what makes a certificate of localhost and its key."""

    def certificate(start: str, end: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("tls")
        (folder / "ca.cnf").write_text(AUTHORITY)
        (folder / "index.txt").touch()
        new_key = "req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout key.pem -out request.pem"
        sign = f"ca -selfsign -batch -keyfile key.pem -in request.pem -startdate {start} -enddate {end} -out signed.pem"
        for command in (f"{new_key} -subj /CN=localhost -config ca.cnf", f"{sign} -notext -config ca.cnf"):
            subprocess.run(["openssl", *command.split()], check=True, capture_output=True, cwd=folder)
        return folder / "signed.pem", folder / "key.pem"

    return certificate


@pytest.fixture(scope="module")
def good(make: Make) -> tuple[Path, Path]:
    return make(*NOW)


async def test_the_server_speaks_tls(good: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=good[0])
    async with running(tls_certificate=str(good[0]), tls_key=str(good[1])) as run:
        async with connect(f"wss://localhost:{run.port}/v1/stream", ssl=trusting) as client:
            assert (await event(client))["type"] == "session.created"
        reader, writer = await asyncio.open_connection("localhost", run.port, ssl=trusting)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert json.loads((await reader.read()).partition(b"\r\n\r\n")[2])["status"] == "ok"
        writer.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_are_spoken(good: tuple[Path, Path], version: ssl.TLSVersion) -> None:
    trusting = ssl.create_default_context(cafile=good[0])
    trusting.minimum_version = trusting.maximum_version = version
    async with running(tls_certificate=str(good[0]), tls_key=str(good[1])) as run:
        _, writer = await asyncio.open_connection("localhost", run.port, ssl=trusting)
        writer.close()


def test_older_ones_are_not(good: tuple[Path, Path]) -> None:
    assert server_context(*good).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_who_speaks_no_tls_ends_nobody_else(good: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=good[0])
    async with running(tls_certificate=str(good[0]), tls_key=str(good[1])) as run:
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in await reader.read()
        writer.close()
        async with connect(f"wss://localhost:{run.port}/v1/stream", ssl=trusting) as client:
            assert (await event(client))["type"] == "session.created"


async def test_a_page_without_encryption_is_another_site(good: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=good[0])
    async with running(tls_certificate=str(good[0]), tls_key=str(good[1])) as run:
        here = f"localhost:{run.port}"
        async with connect(f"wss://{here}/v1/stream", ssl=trusting, origin=Origin(f"https://{here}")) as client:
            assert (await event(client))["type"] == "session.created"
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"wss://{here}/v1/stream", ssl=trusting, origin=Origin(f"http://{here}")):
                pass
        assert refused.value.response.status_code == 403


async def test_a_handshake_that_is_never_finished_is_cut_off(good: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=good[0])
    async with running(tls_certificate=str(good[0]), tls_key=str(good[1]), handshake_timeout_s=1.0) as run:
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
        assert await reader.read() == b""
        writer.close()
        async with connect(f"wss://localhost:{run.port}/v1/stream", ssl=trusting) as client:
            assert (await event(client))["type"] == "session.created"


async def test_any_number_of_unfinished_ones_keeps_nobody_out(good: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=good[0])
    async with (
        running(tls_certificate=str(good[0]), tls_key=str(good[1]), max_connections_per_address=8) as run,
        contextlib.AsyncExitStack() as stack,
    ):
        silent = [await asyncio.open_connection("127.0.0.1", run.port) for _ in range(20)]
        for _, writer in silent:
            stack.callback(writer.close)
        for reader, _ in silent[:12]:
            assert await reader.read() == b""
        async with connect(f"wss://localhost:{run.port}/v1/stream", ssl=trusting) as client:
            assert (await event(client))["type"] == "session.created"


def shown(run: Running) -> bytes:
    """Return the certificate that the server shows to who gives no name."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", run.port)))


def of(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


class TestRenewal:
    @pytest.fixture
    def used(self, good: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
        """The files that the server was told of."""
        used = (tmp_path / "certificate.pem", tmp_path / "key.pem")
        self.put(good, used)
        return used

    def put(self, pair: tuple[Path, Path], used: tuple[Path, Path]) -> None:
        """Replace files as programs do that renew certificates: a new file under the old name."""
        for file, name in zip(pair, used, strict=True):
            new = name.with_suffix(".new")
            shutil.copy(file, new)
            new.replace(name)

    async def test_a_renewed_certificate_is_used_without_a_restart(
        self, good: tuple[Path, Path], used: tuple[Path, Path], make: Make
    ) -> None:
        renewed = make(*NOW)
        async with running(tls_certificate=str(used[0]), tls_key=str(used[1])) as run:
            old = ssl.create_default_context(cafile=good[0])
            async with connect(f"wss://localhost:{run.port}/v1/stream", ssl=old) as client:
                assert (await event(client))["type"] == "session.created"
                assert await asyncio.to_thread(shown, run) == of(good[0])
                self.put(renewed, used)
                assert await asyncio.to_thread(shown, run) == of(renewed[0])
                new = ssl.create_default_context(cafile=renewed[0])
                async with connect(f"wss://localhost:{run.port}/v1/stream", ssl=new) as another:
                    assert (await event(another))["type"] == "session.created"
                await client.send(sound())  # who is there stays
                await until(client, "emotion")

    @pytest.mark.parametrize("broken", ["another_key", "no_pem", "missing", "expired"])
    async def test_what_can_not_be_used_leaves_the_one_before(
        self,
        broken: str,
        good: tuple[Path, Path],
        used: tuple[Path, Path],
        make: Make,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        renewed = make(*NOW)
        nothing = tmp_path / "nothing.pem"
        nothing.write_text("no certificate\n")
        async with running(tls_certificate=str(used[0]), tls_key=str(used[1])) as run:
            match broken:
                case "another_key":  # the certificate comes before its key
                    self.put((renewed[0], good[1]), used)
                case "no_pem":
                    self.put((nothing, renewed[1]), used)
                case "missing":
                    used[0].unlink()
                case _:
                    self.put(make("20200101000000Z", "20210101000000Z"), used)
            for _ in range(3):
                assert await asyncio.to_thread(shown, run) == of(good[0])
            told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
            assert len(told) == 1
            assert str(used[0]) in told[0]
            assert "stays" in told[0]
            self.put(renewed, used)
            assert await asyncio.to_thread(shown, run) == of(renewed[0])


class TestWhatIsWrong:
    def test_a_file_that_is_missing_or_a_folder(self, good: tuple[Path, Path], tmp_path: Path) -> None:
        with pytest.raises(TlsError, match=r"server\.tls_certificate: .*none\.pem: No such file"):
            server_context(tmp_path / "none.pem", good[1])
        with pytest.raises(TlsError, match=r"server\.tls_key: .*: Is a directory"):
            server_context(good[0], tmp_path)

    def test_a_file_of_something_else(self, good: tuple[Path, Path], tmp_path: Path) -> None:
        other = tmp_path / "other.pem"
        other.write_text("no certificate\n")
        with pytest.raises(TlsError, match=r"server\.tls_certificate: .* has no certificate in PEM form"):
            server_context(other, good[1])
        with pytest.raises(TlsError, match=r"server\.tls_key: .* has no private key in PEM form"):
            server_context(good[0], other)
        with pytest.raises(TlsError, match=r"server\.tls_certificate: .* has no certificate in PEM form"):
            server_context(good[1], good[1])

    def test_a_damaged_one(self, good: tuple[Path, Path], tmp_path: Path) -> None:
        damaged = tmp_path / "damaged.pem"
        damaged.write_text(good[0].read_text().replace("MII", "AAA", 1))
        with pytest.raises(TlsError, match="can't be used"):
            server_context(damaged, good[1])

    def test_a_key_of_another_certificate(self, good: tuple[Path, Path], make: Make) -> None:
        with pytest.raises(TlsError, match=r"server\.tls_key: .* is not the key of the certificate"):
            server_context(good[0], make(*NOW)[1])

    def test_a_key_with_a_password_is_not_asked_for_it(self, good: tuple[Path, Path], tmp_path: Path) -> None:
        locked = tmp_path / "locked.pem"
        command = ["openssl", "pkey", "-in", str(good[1]), "-aes256", "-passout", "pass:x", "-out", str(locked)]
        subprocess.run(command, check=True, capture_output=True)
        with pytest.raises(TlsError, match=r"server\.tls_key is encrypted"):
            server_context(good[0], locked)

    def test_one_that_has_expired(self, make: Make) -> None:
        old = make("20200101000000Z", "20210101000000Z")
        with pytest.raises(TlsError, match=r"server\.tls_certificate: .* has expired \(it is .* UTC\); renew it"):
            server_context(*old)

    def test_one_that_is_not_valid_yet(self, make: Make) -> None:
        early = make("20700101000000Z", "20710101000000Z")
        with pytest.raises(TlsError, match=r"server\.tls_certificate: .* is not valid yet"):
            server_context(*early)

    def test_one_without_the_other(self) -> None:
        with pytest.raises(ValidationError, match="belong together"):
            ServerSettings(tls_certificate=Path("certificate.pem"))
