# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a telephony server does with a new certificate: real certificates and handshakes, a scripted Asterisk."""

from __future__ import annotations

import datetime
import importlib.util
import os
import socket
import ssl
import threading
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PATH = Path(__file__).resolve().parents[3] / "roles/telephony/files/certificate.py"
_SPEC = importlib.util.spec_from_file_location("telephony_certificate", _PATH)
assert _SPEC is not None and _SPEC.loader is not None
program = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(program)

NAME = "pbx.example.com"
NOW = datetime.datetime.now(datetime.timezone.utc)


def pair(name: str = NAME, first: int = -1, last: int = 90, passphrase: bytes | None = None) -> t.Any:
    """A certificate that a private authority has signed, and its key."""
    own, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Private")]))
        .public_key(own.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=first)).not_valid_after(NOW + datetime.timedelta(days=last))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(authority, hashes.SHA256())
    )  # fmt: skip
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    key = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return program.Pair(certificate.public_bytes(serialization.Encoding.PEM), key)


class Server:
    """A host with Asterisk: what its ports show, what it was told, and what will go wrong."""

    def __init__(self, folder: Path) -> None:
        self.source, self.folder = folder / "source", folder / "keys"
        self.source.mkdir()
        self.folder.mkdir()
        self.shown: dict[int, t.Any] = {}
        self.told: list[str] = []
        self.readable = self.up = True
        self.deaf: set[int] = set()  # ports that go silent at a reload of anything but what they show
        self.time = 0.0

    def start(self, old: t.Any, new: t.Any) -> None:
        old.install(self.folder, os.getgid())
        self.shown = {5061: old, 8089: old}
        self.give(new)

    def give(self, new: t.Any) -> None:
        (self.source / "chain.pem").write_bytes(new.chain)
        (self.source / "key.pem").write_bytes(new.key)

    def installed(self) -> t.Any:
        return program.Pair.read(self.folder / program.CHAIN, self.folder / program.KEY)

    def run(self, command: t.Sequence[str]) -> tuple[int, str]:
        if command[0] == "runuser":
            assert command[-1] == str(self.folder / program.KEY)
            return (0 if self.readable else 1), ""
        self.told.append(command[-1])
        if not self.up:
            return 1, "Unable to connect."
        port = {"module reload res_pjsip.so": 5061, "module reload http": 8089}[command[-1]]
        if port not in self.deaf or self.shown[port] == self.installed():
            self.shown[port] = self.installed()
        return 0, "reloaded successfully"

    def served(self, port: int) -> str:
        if self.shown.get(port) is None:
            raise ConnectionRefusedError("nobody listens")
        return str(self.shown[port].fingerprint)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def deploy(self, place: bool = False) -> str:
        host = program.Host(self.run, self.served, lambda: self.time, self.sleep)
        target = program.Target(self.folder, os.getgid(), NAME, (5061, 8089))
        return str(program.deploy(self.source / "chain.pem", self.source / "key.pem", target, host, place))

    def refusal(self) -> str:
        with pytest.raises(program.Refused) as refused:
            self.deploy()
        return str(refused.value)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_a_new_certificate_is_read_and_seen_on_both_ports(server: Server) -> None:
    new = pair()
    server.start(pair(), new)
    assert server.deploy() == f"The new certificate {new.fingerprint[:16]} is installed and served."
    assert server.installed() == new and set(server.shown.values()) == {new}
    for name in (program.KEY, program.CHAIN):
        assert (server.folder / name).stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in server.folder.iterdir()) == [program.CHAIN, program.KEY]


def test_a_second_run_tells_asterisk_nothing(server: Server) -> None:
    server.start(pair(), pair())
    server.deploy()
    server.told.clear()
    assert server.deploy() == "The certificate is in use already." and server.told == []


def test_what_was_installed_and_never_read_is_read_now(server: Server) -> None:
    new = pair()
    server.start(pair(), new)
    new.install(server.folder, os.getgid())
    assert server.deploy().endswith("is installed and served.")


def test_the_first_one_comes_before_asterisk_has_a_port(server: Server) -> None:
    new = pair()
    server.give(new)
    assert server.deploy(place=True) == f"The first certificate {new.fingerprint[:16]} is installed."
    server.give(pair())
    assert server.deploy(place=True) == "A certificate is installed already."
    assert server.installed() == new and server.told == []


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (lambda: pair()._replace(key=pair().key), "is no key without passphrase that belongs to"),
        (lambda: pair()._replace(key=b""), "is no key without passphrase that belongs to"),
        (lambda: pair(passphrase=b"secret"), "openssl pkey -in KEY -out FILE takes a passphrase off"),
        (lambda: pair("other.example.com"), f"Phones would refuse .* for {NAME}: Hostname mismatch"),
        (lambda: pair(first=-90, last=-1), "certificate has expired"),
        (lambda: pair(first=2), "certificate is not yet valid"),
    ],
    ids=["other key", "no key", "passphrase", "name", "expired", "future"],
)
def test_what_cannot_serve_changes_nothing(server: Server, new: t.Callable[[], t.Any], reason: str) -> None:
    old = pair()
    server.start(old, new())
    with pytest.raises(program.Refused, match=reason):
        server.deploy()
    assert server.installed() == old and set(server.shown.values()) == {old} and server.told == []


def test_no_certificate_at_all(server: Server) -> None:
    assert server.refusal().startswith(f"There is no {server.source / 'chain.pem'}")


def test_a_key_that_asterisk_cannot_read_is_not_tried(server: Server) -> None:
    old = pair()
    server.start(old, pair())
    server.readable = False
    assert (
        f"cannot read {server.folder / program.KEY}. The certificate of before, {old.fingerprint[:16]}"
        in server.refusal()
    )
    assert server.installed() == old and server.told == []


def test_a_port_that_does_not_show_it_brings_the_old_one_back(server: Server) -> None:
    old = pair()
    server.start(old, pair())
    server.deaf = {8089}
    said = server.refusal()
    assert "port 8089 does not show it. The certificate of before" in said and "restart" not in said
    assert server.installed() == old and set(server.shown.values()) == {old}
    assert server.time >= program.PATIENCE


def test_a_port_that_is_gone_for_good_is_said(server: Server) -> None:
    server.start(pair(), pair())
    server.deaf = {8089}
    server.shown[8089] = None
    assert "Port 8089 does not show that one either: restart asterisk.service." in server.refusal()


def test_an_asterisk_that_does_not_answer(server: Server) -> None:
    server.start(pair(), pair())
    server.up = False
    assert "systemctl start asterisk.service" in server.refusal()


def test_the_fingerprint_is_what_a_port_really_shows(tmp_path: Path) -> None:
    shown = pair()
    shown.install(tmp_path, os.getgid())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / program.CHAIN, tmp_path / program.KEY)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            plain, _address = listening.accept()
            with plain, context.wrap_socket(plain, server_side=True):
                pass

        thread = threading.Thread(target=answer)
        thread.start()
        assert program.served(listening.getsockname()[1]) == shown.fingerprint
        thread.join()
