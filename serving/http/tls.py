"""Encryption by certificate files: what is wrong with them is told in one line; renewed ones are read by themselves."""

import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.x509 import load_pem_x509_certificate

from models.user_error import UserError

HOW_TO_DECRYPT: Final = "openssl pkey -in KEY -out PLAIN_KEY takes the password away"

log = logging.getLogger("m2fnet.server")


class TlsError(UserError, ValueError):
    """The certificate or its key can't be used; the text says which and why."""


def renewing_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context like that of :func:`server_context`, whose handshakes have the files as they are by then.

    Files that can't be used, such as a certificate whose key is still to come, are told in the log; what was read
    before stays in use.

    Raises:
        TlsError: as :func:`server_context`.
    """
    context = server_context(certificate, key)
    context.sni_callback = _Renewal(certificate, key, context).before_handshake
    return context


class _Renewal:
    """Reads the files again when they have changed."""

    def __init__(self, certificate: Path, key: Path, context: ssl.SSLContext) -> None:
        self._files = (certificate, key)
        self._seen = [_stamp(file) for file in self._files]
        self._newest = context

    def before_handshake(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Have a handshake use what the files hold now; OpenSSL asks at each, whatever name the client gives."""
        seen = [_stamp(file) for file in self._files]
        if seen != self._seen:
            self._seen = seen
            self._read()
        handshake.context = self._newest

    def _read(self) -> None:
        try:
            self._newest = server_context(*self._files)
        except (TlsError, OSError) as why:
            told = {"event": "tls.failed"}
            log.error("the renewed certificate is not used: %s; the one before stays", why, extra=told)  # noqa: TRY400 - no fault of ours to trace
        else:
            log.info("the certificate was read again", extra={"event": "tls.renewed"})


def _stamp(file: Path) -> tuple[int, ...]:
    """Return what tells a changed file from the one before; nothing for one that is not there."""
    try:
        stat = file.stat()
    except OSError:
        return ()
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_dev)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server with a certificate (PEM, with those that lead to its issuer) and its key.

    Raises:
        TlsError: a file is missing, unreadable, encrypted or no PEM, they don't belong together, or the certificate
            is not valid now.
    """
    for name, file in (("tls_certificate", certificate), ("tls_key", key)):
        _require_readable(name, file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise TlsError(_why_not(certificate, key, error)) from None
    _require_valid_now(certificate)
    return context


def _require_readable(name: str, file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        message = f"server.{name}: {file}: {error.strerror or error}"
        raise TlsError(message) from None


def _no_password() -> str:
    """Refuse to ask for a password at the terminal, which is what OpenSSL does otherwise."""
    message = f"server.tls_key is encrypted; {HOW_TO_DECRYPT}"
    raise TlsError(message)


def _why_not(certificate: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"server.tls_key: {key} is not the key of the certificate {certificate}"
    if not _has(certificate, "CERTIFICATE"):
        return f"server.tls_certificate: {certificate} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    if not _has(key, "PRIVATE KEY"):
        return f"server.tls_key: {key} has no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
    return f"server.tls_certificate, server.tls_key: {certificate} and {key} can't be used: {error.reason or error}"


def _has(file: Path, what: str) -> bool:
    """Return whether a PEM file has such a part; a key may be an ``RSA PRIVATE KEY``, too."""
    return any(line.startswith(b"-----BEGIN ") and what.encode() in line for line in file.read_bytes().splitlines())


def _require_valid_now(certificate: Path) -> None:
    """Look at the dates of the file's first certificate; whether anybody trusts it is for the browsers to say."""
    try:
        own = load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as error:
        message = f"server.tls_certificate: {certificate} can't be used: {error}"
        raise TlsError(message) from None
    now = datetime.now(UTC)
    if now > own.not_valid_after_utc:
        message = f"server.tls_certificate: {certificate} has expired (it is {now:%Y-%m-%d %H:%M} UTC); renew it"
        raise TlsError(message)
    if now < own.not_valid_before_utc:
        clock = f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC"
        message = f"server.tls_certificate: {certificate} is not valid yet ({clock})"
        raise TlsError(message)
