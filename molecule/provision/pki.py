# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as customers give them: a good chain, and one of every kind that must be refused.

python pki.py FOLDER NAME [NAME …]
"""

from __future__ import annotations

import datetime
import json
import sys
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)


class Party(t.NamedTuple):
    """Somebody with a name and a key."""

    name: str
    key: rsa.RSAPrivateKey

    @classmethod
    def new(cls, name: str, bits: int = 2048) -> Party:
        return cls(name, rsa.generate_private_key(65537, bits))

    def pem(self, password: bytes | None = None) -> bytes:
        hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def issue(subject: Party, issuer: Party, names: t.Sequence[str] = (), first: int = -1, last: int = 365) -> bytes:
    """A certificate in PEM, its validity in days from today; without names it is an authority's."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(subject.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=first))
        .not_valid_after(NOW + datetime.timedelta(days=last))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    if not names:
        builder = builder.add_extension(_MAY_SIGN, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


# Clients with Python 3.13 refuse an authority that does not say what its key is for.
_MAY_SIGN = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _name(party: Party) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, party.name)])


def _dates(pem: bytes) -> list[str]:
    """First and last day."""
    certificate = x509.load_pem_x509_certificate(pem)
    return [f"{day:%Y%m%d}" for day in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)]


def main() -> None:
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    root, intermediate, leaf = Party.new("Root"), Party.new("Intermediate"), Party.new(names[0])
    weak = Party.new(names[0], bits=1024)
    contents = {
        "leaf.pem": issue(leaf, intermediate, names),
        "leaf.key": leaf.pem(),
        "intermediate.pem": issue(intermediate, root),
        "root.key": root.pem(),
        "other.key": Party.new("Other").pem(),
        "locked.key": leaf.pem(password=b"secret"),
        "expired.pem": issue(leaf, intermediate, names, first=-400, last=-3),
        "soon.pem": issue(leaf, intermediate, names, last=10),
        "name.pem": issue(leaf, intermediate, ["other.boxlift.test"]),
        "wildcard.pem": issue(leaf, intermediate, ["*.boxlift.test"]),
        "weak.pem": issue(weak, intermediate, names),
        "weak.key": weak.pem(),
        "empty.pem": b"no certificate\n",
        "root.pem": issue(root, root),
    }
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    dates = {name: _dates(contents[name]) for name in ("expired.pem", "soon.pem")}
    (folder / "dates.json").write_text(json.dumps(dates))


if __name__ == "__main__":
    main()
