# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificate authority: a folder with ca.pem and ca.key, and the certificates issued from it.

python authority.py FOLDER NAME [NAME …]   issues FOLDER/NAME.pem and FOLDER/NAME.key for all the names, where they
                                           are missing, about to expire, or for other names, and says so
"""

from __future__ import annotations

import datetime
import ipaddress
import sys
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
DAYS = 365
RENEW_DAYS = 30


class Issued(t.NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path
    new: bool


class Authority:
    """Opens the authority in a folder; creates it where there is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.pem"
        key_file = folder / "ca.key"
        if not self.certificate.exists():
            folder.mkdir(parents=True, exist_ok=True)
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "boxlift lab authority")])
            builder = self._builder(name, name, key.public_key(), CA_DAYS)
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
            _write_key(key_file, key)
            self.certificate.write_bytes(_pem(builder.sign(key, hashes.SHA256())))
        self._own = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        self._key = t.cast(
            ec.EllipticCurvePrivateKey, serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        )

    def issue(self, *names: str) -> Issued:
        """The certificate for these host names and addresses, named after the first."""
        certificate, key_file = self.folder / f"{names[0]}.pem", self.folder / f"{names[0]}.key"
        if self._serves(certificate, names):
            return Issued(certificate, key_file, new=False)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = self._builder(subject, self._own.subject, key.public_key(), DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), False)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority_key, critical=False)
        _write_key(key_file, key)
        certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        return Issued(certificate, key_file, new=True)

    @staticmethod
    def _serves(certificate: Path, names: t.Sequence[str]) -> bool:
        """Whether there is a certificate for exactly these names that stays valid for a while."""
        if not certificate.exists():
            return False
        content = x509.load_pem_x509_certificate(certificate.read_bytes())
        alternatives = content.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        left = content.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
        return list(alternatives) == [_general_name(name) for name in names] and left.days >= RENEW_DAYS

    @staticmethod
    def _builder(
        subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


if __name__ == "__main__":
    wanted = Authority(Path(sys.argv[1])).issue(*sys.argv[2:])
    if wanted.new:
        print(f"issued {wanted.certificate}")
