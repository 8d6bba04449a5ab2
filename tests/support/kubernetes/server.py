"""A Kubernetes API server for tests: real HTTPS on this machine, with answers from the JSON files in this folder."""

import functools
import json
import ssl
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = Path(__file__).parent


def recorded(name: str) -> Any:
    """One of the JSON files."""
    return json.loads((HERE / f"{name}.json").read_text())


@dataclass(frozen=True)
class Reply:
    """An answer; `promised`: a wrong Content-Length; `hangs`, `breaks`: no answer at all."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    hangs: bool = False
    breaks: bool = False


def reply(name: str, **headers: str) -> Reply:
    """A recorded answer; a Status contains its HTTP status."""
    answer = recorded(name)
    status = answer["code"] if answer["kind"] == "Status" else 200
    names = {header.replace("_", "-"): value for header, value in headers.items()}
    return Reply(status, json.dumps(answer).encode(), names)


@dataclass(frozen=True)
class Asked:
    """A request as it was received."""

    path: str
    query: dict[str, str]
    token: str


@dataclass(frozen=True)
class Identity:
    """A key with its certificate (`pem`), and the authority that signed it."""

    authority: str
    pem: str


class ApiServer:
    """Runs in its `with` block. `answers[path]` are given in order, and the last one is repeated."""

    def __init__(self, identity: Identity | None = None) -> None:
        self.identity = identity or an_identity()
        self.answers: dict[str, list[Reply]] = defaultdict(list)
        self.asked: list[Asked] = []
        self._over = threading.Event()
        self._http = _Http(("127.0.0.1", 0), self._handler())
        self.url = f"https://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(self.identity.pem)
            file.flush()
            context.load_cert_chain(file.name)
        self._http.socket = context.wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                server.asked.append(Asked(parts.path, dict(parse_qsl(parts.query)), token))
                answers = server.answers[parts.path] or [reply("no_such_path")]
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if answer.hangs:
                    server._over.wait(10)
                if answer.hangs or answer.breaks or server._over.is_set():
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                length = len(answer.body) if answer.promised is None else answer.promised
                self.send_header("Content-Length", str(length))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = length != len(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Some tests let a client close the connection or refuse the certificate."""


@functools.cache
def an_identity(address: str = "127.0.0.1") -> Identity:
    """A certificate for `address` of an authority like that of EKS, which has no key identifier.

    kubernetes-client/python#2394 shows one: its subject is CN=kubernetes, and basic constraints are its only extension.
    """
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate(
        "kubernetes", authority, "kubernetes", authority, x509.BasicConstraints(ca=True, path_length=None)
    )
    leaf = _certificate(
        "kube-apiserver",
        server,
        "kubernetes",
        authority,
        x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]),
    )
    key = server.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(root, key.decode() + leaf)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, extension: Any
) -> str:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_common(name))
        .issuer_name(_common(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # OpenSSL uses the real clock, not the simulated one.
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2049, 1, 1, tzinfo=UTC))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
