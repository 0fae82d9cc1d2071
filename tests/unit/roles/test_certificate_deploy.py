# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host does with a renewed certificate: real certificates and handshakes, a scripted systemd and nginx."""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import ssl
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PATH = Path(__file__).resolve().parents[3] / "roles/certificate/files/deploy.py"
_SPEC = importlib.util.spec_from_file_location("certificate_deploy", _PATH)
assert _SPEC is not None and _SPEC.loader is not None
deploy = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(deploy)

NAMES = ("portal.example.com", "intranet.example.com")
NGINX, HAPROXY = "nginx.service", "haproxy.service"
NOW = datetime.datetime.now(datetime.timezone.utc)


class Authority:
    def __init__(self, name: str) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        usage = dict.fromkeys(
            ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only", "digital_signature"], False,
        )  # fmt: skip
        self.pem = self._sign(
            self.name, self.key, -1, 3650,
            [(x509.BasicConstraints(ca=True, path_length=None), True),
             (x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), True),
             (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)],
        )  # fmt: skip

    def _sign(self, subject: x509.Name, key: t.Any, first: int, last: int, extensions: t.Any) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self.name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + datetime.timedelta(days=first))
            .not_valid_after(NOW + datetime.timedelta(days=last))
        )  # fmt: skip
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, names: t.Sequence[str] = NAMES, first: int = -1, last: int = 90) -> deploy.Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        chain = self._sign(
            subject, key, first, last,
            [(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False), (issuer_key, False)],
        )  # fmt: skip
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return deploy.Pair(chain, secret)


class Site:
    """A host: what nginx has read, what it was asked to do, and what will go wrong."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority("Trusted")
        self.live, self.directory, self.authorities = folder / "live", folder / "ssl", folder / "ca.pem"
        for path in (self.live, self.directory):
            path.mkdir()
        self.authorities.write_bytes(self.authority.pem)
        self.running = [NGINX]
        self.commands: list[list[str]] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.deaf = False  # reloads without effect
        self.shown: deploy.Pair | None = None
        self.time = 0.0

    def put(self, folder: Path, pair: deploy.Pair) -> None:
        (folder / "fullchain.pem").write_bytes(pair.chain)
        (folder / "privkey.pem").write_bytes(pair.key)

    def start(self, old: deploy.Pair, new: deploy.Pair) -> None:
        self.put(self.directory, old)
        self.put(self.live, new)
        self.shown = old

    def run(self, command: t.Sequence[str]) -> tuple[int, str]:
        self.commands.append(list(command))
        if command[:2] == ["systemctl", "is-active"]:
            return (0 if command[-1] in self.running else 3), ""
        if command[:2] == ["systemctl", "reload"] and command[-1] in (NGINX, HAPROXY) and not self.deaf:
            self.shown = deploy.Pair.read(self.directory)
        return self.answers.get(" ".join(command), (0, ""))

    def served(self, name: str) -> str:
        if self.shown is None or not {NGINX, HAPROXY} & set(self.running):
            raise ConnectionRefusedError("nobody listens")
        return str(self.shown.fingerprint)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def deploy(self, names: t.Sequence[str] = NAMES, services: t.Sequence[str] = (NGINX,)) -> str:
        host = deploy.Host(self.run, self.served, lambda: self.time, self.sleep)
        return str(deploy.deploy(self.live, self.directory, list(names), list(services), str(self.authorities), host))

    def refusal(self, **options: t.Any) -> str:
        with pytest.raises(deploy.Refused) as refused:
            self.deploy(**options)
        return str(refused.value)

    @property
    def changes(self) -> list[list[str]]:
        return [command for command in self.commands if command[1] != "is-active"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_renewed_certificate_is_tested_reloaded_and_seen(site: Site) -> None:
    old, new = site.authority.issue(), site.authority.issue()
    site.start(old, new)
    assert site.deploy() == f"The new certificate {new.fingerprint[:16]} is installed and served."
    assert deploy.Pair.read(site.directory) == site.shown == new
    assert site.changes == [["/usr/sbin/nginx", "-t", "-q"], ["systemctl", "reload", NGINX]]
    assert (site.directory / "privkey.pem").stat().st_mode & 0o777 == 0o600
    assert (site.directory / "fullchain.pem").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in site.directory.iterdir()) == ["fullchain.pem", "privkey.pem"]


def test_a_balancer_is_proven_as_a_web_server_is(site: Site) -> None:
    old, new = site.authority.issue(), site.authority.issue()
    site.start(old, new)
    site.running = [HAPROXY]
    prove = ["/usr/sbin/haproxy", "-c", "-q", "-f", "/etc/haproxy/haproxy.cfg"]
    assert site.deploy(services=[HAPROXY]) == f"The new certificate {new.fingerprint[:16]} is installed and served."
    assert site.changes == [prove, ["systemctl", "reload", HAPROXY]]
    site.put(site.live, site.authority.issue())
    site.deaf = True
    said = site.refusal(services=[HAPROXY])
    assert said.startswith("haproxy was reloaded, but does not show the new certificate")
    assert deploy.Pair.read(site.directory) == site.shown == new


def test_a_second_run_does_nothing(site: Site) -> None:
    site.start(site.authority.issue(), site.authority.issue())
    site.deploy()
    site.commands.clear()
    assert site.deploy() == "The certificate is in use already."
    assert site.changes == []


def test_what_was_installed_but_never_read_is_read_now(site: Site) -> None:
    old, new = site.authority.issue(), site.authority.issue()
    site.start(old, new)
    site.put(site.directory, new)
    assert site.deploy().endswith("is installed and served.")
    assert site.shown == new


def test_the_first_certificate_comes_before_nginx(site: Site) -> None:
    site.running = []
    new = site.authority.issue()
    site.put(site.live, new)
    assert site.deploy() == f"The new certificate {new.fingerprint[:16]} is installed."
    assert deploy.Pair.read(site.directory) == new
    assert site.deploy() == "It is installed; nginx.service does not run."
    assert site.changes == []


def test_no_certificate_at_all(site: Site) -> None:
    assert site.refusal().startswith(f"There is no certificate in {site.live}.")


def test_a_configuration_that_nginx_refuses(site: Site) -> None:
    old = site.authority.issue()
    site.start(old, site.authority.issue())
    site.answers["/usr/sbin/nginx -t -q"] = (1, "unknown directive in x.conf:3")
    said = site.refusal()
    assert "nginx refuses its configuration: unknown directive in x.conf:3" in said
    assert f"The certificate of before, {old.fingerprint[:16]}, is installed again." in said
    assert deploy.Pair.read(site.directory) == site.shown == old
    assert ["systemctl", "reload", NGINX] not in site.commands


def test_it_comes_into_use_as_soon_as_the_configuration_is_right_again(site: Site) -> None:
    new = site.authority.issue()
    site.start(site.authority.issue(), new)
    site.answers["/usr/sbin/nginx -t -q"] = (1, "broken")
    site.refusal()
    site.answers.clear()
    site.deploy()
    assert site.shown == new


def test_a_reload_without_effect(site: Site) -> None:
    old = site.authority.issue()
    site.start(old, site.authority.issue())
    site.deaf = True
    said = site.refusal()
    assert f"does not show the new certificate for {', '.join(NAMES)}" in said
    assert deploy.Pair.read(site.directory) == site.shown == old
    assert site.changes.count(["systemctl", "reload", NGINX]) == 2
    assert site.time >= deploy.PATIENCE


def test_another_service_that_does_not_reload_is_named(site: Site) -> None:
    site.running = [NGINX, "postfix.service"]
    site.start(site.authority.issue(), site.authority.issue())
    site.answers["systemctl reload postfix.service"] = (1, "Job failed")
    said = site.refusal(services=(NGINX, "postfix.service", "absent.service"))
    assert "postfix.service was not reloaded: Job failed" in said
    assert ["systemctl", "reload", "absent.service"] not in site.commands


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (lambda site: site.authority.issue(["other.example.com"]), "portal.example.com: Hostname mismatch"),
        (lambda site: site.authority.issue(NAMES[:1]), "intranet.example.com: Hostname mismatch"),
        (lambda site: site.authority.issue(first=-90, last=-1), "certificate has expired"),
        (lambda site: site.authority.issue(first=2), "certificate is not yet valid"),
        (lambda site: Authority("Stranger").issue(), "unable to get local issuer certificate"),
        (lambda site: site.authority.issue()._replace(key=site.authority.issue().key), "do not belong together"),
    ],
    ids=["name", "one of two names", "expired", "future", "authority", "key"],
)
def test_what_a_browser_would_refuse_changes_nothing(
    site: Site, new: t.Callable[[Site], deploy.Pair], reason: str
) -> None:
    old = site.authority.issue()
    site.start(old, new(site))
    assert reason in site.refusal()
    assert deploy.Pair.read(site.directory) == site.shown == old
    assert site.changes == []


def test_the_fingerprint_is_that_of_the_first_certificate(site: Site) -> None:
    pair = site.authority.issue()
    whole = pair._replace(chain=b"text before\n" + pair.chain + site.authority.pem)
    assert whole.fingerprint == hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.chain.decode())).hexdigest()
