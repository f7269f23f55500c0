"""HTTPS for the network: the certificate and key of the settings, as the server and as our own commands use them.

Only the files of the settings are read; nothing makes or renews a certificate.
"""

import ssl
from pathlib import Path

from model_runtime.settings import Settings, SettingsError

ADVICE = "Correct tls_cert and tls_key in config.toml, or remove both for plain HTTP."
HANDSHAKE_SECONDS = 10.0
"""How long a client may take to agree on keys."""


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Return what encrypts the connections of the server; None: the settings name no certificate.

    Raises:
        SettingsError: one file is not named, cannot be read or is of another kind, or they do not belong together.
    """
    if not (settings.tls_cert or settings.tls_key):
        return None
    _require_file("tls_cert", settings.tls_cert)
    _require_file("tls_key", settings.tls_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # without the callback OpenSSL would ask for a password at the terminal
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=lambda: b"")
    except ssl.SSLError as error:
        raise SettingsError(f"{_what_is_wrong(settings, error)} {ADVICE}") from error
    return context


def client_context(certificate: str) -> ssl.SSLContext:
    """Return what checks that a server on this machine has this certificate, whatever name it is for and whoever signed it.

    Raises:
        SettingsError: the certificate cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate names the machine as the network knows it, not 127.0.0.1
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # its issuer may be unknown here
    try:
        context.load_verify_locations(certificate)
    except OSError as error:  # SSLError is one
        raise SettingsError(f"tls_cert {certificate} cannot be used: {error.strerror}. {ADVICE}") from error
    return context


def _require_file(name: str, path: str) -> None:
    if not path:
        raise SettingsError(f"{name} is not set, but its counterpart is; HTTPS needs both. {ADVICE}")
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise SettingsError(f"{name} is {path!r}, which cannot be read: {error.strerror}. {ADVICE}") from error


def _what_is_wrong(settings: Settings, error: ssl.SSLError) -> str:
    """Return a sentence for an error of OpenSSL, which names no file."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"tls_key {settings.tls_key!r} does not belong to tls_cert {settings.tls_cert!r}."
    try:
        ssl.create_default_context(cafile=settings.tls_cert)
    except ssl.SSLError:
        return f"tls_cert {settings.tls_cert!r} is no certificate in PEM format."
    return f"tls_key {settings.tls_key!r} is no private key in PEM format without a password."
