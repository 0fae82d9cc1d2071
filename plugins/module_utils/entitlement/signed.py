# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is signed, opened if the signature is right. The inventory says by which method; the file is not asked."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.documents import decode, find, parse
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

METHODS = ("ed25519", "rsa_pss_sha256", "rsa_pkcs1_sha256")
LAYOUTS = ("detached", "fields", "marker", "jws")
SHORTEST_RSA = 2048  # bits; a shorter key proves little
_ED25519_BYTES = 64
_ANEW = "Get the licence file anew from whoever sold it; if it is the same, its public key may be another one."


@dataclasses.dataclass(frozen=True)
class Signed:
    """How a file is signed. `proof` is a detached signature's file, as it is."""

    method: str
    key: bytes = dataclasses.field(repr=False)
    layout: str = "detached"
    proof: bytes | None = None
    #: Of layout `fields`: the format of the envelope, and where in it payload and signature are.
    envelope: str = "json"
    payload_field: str = "payload"
    proof_field: str = "signature"
    payload_base64: bool = True
    #: Of layout `marker`: the line after which the signature stands.
    marker: str = ""


def opened(data: bytes, signed: Signed) -> bytes:
    """The payload, which the key has signed. Raises BoxliftError for everything that is not proven."""
    key = _key(signed)
    length = _ED25519_BYTES if signed.method == "ed25519" else (t.cast("RSAPublicKey", key).key_size + 7) // 8
    payload, told, proof = _parts(data, signed)
    _verify(key, signed.method, _bytes_of(proof, length), told)
    return payload


def _parts(data: bytes, signed: Signed) -> tuple[bytes, bytes, bytes]:
    """The payload, the bytes that are signed, and the signature as it is written."""
    if signed.layout == "detached":
        if signed.proof is None:
            raise BoxliftError("its signature is not there", "Name the file with it in signed.signature_file.")
        return data, data, signed.proof
    if signed.layout == "fields":
        return _of_fields(data, signed)
    if signed.layout == "marker":
        return _of_marker(data, signed.marker)
    if signed.layout == "jws":
        parts = data.strip().split(b".")
        if len(parts) != 3:
            raise BoxliftError("it is no header.payload.signature", "Correct signed.layout, or get the file anew.")
        return _from_base64(parts[1], "its payload"), parts[0] + b"." + parts[1], parts[2]
    raise BoxliftError(f"its layout {signed.layout} is not known", f"Layouts are {', '.join(LAYOUTS)}.")


def _of_fields(data: bytes, signed: Signed) -> tuple[bytes, bytes, bytes]:
    root = parse(data, signed.envelope)
    found = []
    for path in (signed.payload_field, signed.proof_field):
        nodes = find(root, path)
        if len(nodes) != 1 or not nodes[0].text:
            raise BoxliftError(f"its field {path} is not there once, with a text", "Correct the paths in signed.")
        found.append(nodes[0].text.encode("utf-8", "surrogatepass"))
    payload = _from_base64(found[0], f"its field {signed.payload_field}") if signed.payload_base64 else found[0]
    return payload, payload, found[1]


def _of_marker(data: bytes, marker: str) -> tuple[bytes, bytes, bytes]:
    found = list(re.finditer(rb"^" + re.escape(marker.encode("utf-8", "replace")) + rb"[ \t]*\r?$", data, re.MULTILINE))
    if not marker or len(found) != 1:
        raise BoxliftError(f"the line {marker!r} is not there once", "Correct signed.marker, or get the file anew.")
    payload = data[: found[0].start()]
    return payload, payload, data[found[0].end() :]


def _from_base64(data: bytes, what: str) -> bytes:
    """Of either alphabet, with or without padding and line ends."""
    plain = re.sub(rb"\s", b"", data).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BoxliftError(f"{what} is no Base64", _ANEW) from error


def _bytes_of(proof: bytes, length: int) -> bytes:
    """A signature of so many bytes: raw, in hexadecimal or in Base64; lines of dashes may stand around it."""
    if len(proof) == length:
        return proof
    text = re.sub(r"\s", "", re.sub(r"(?m)^-----.*$", "", decode(proof)))
    try:
        found = bytes.fromhex(text) if len(text) == 2 * length else _from_base64(text.encode(), "its signature")
    except ValueError:
        found = b""
    if len(found) != length:
        raise BoxliftError(f"its signature has {len(found)} bytes, and one of this key has {length}", _ANEW)
    return found


def _key(signed: Signed) -> Ed25519PublicKey | RSAPublicKey:
    try:
        from cryptography import exceptions, x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    except ImportError as error:
        raise BoxliftError(
            "its signature cannot be verified without cryptography", "Install the package python3-cryptography."
        ) from error
    wrong = "Bring the public key that belongs to the licence, in PEM or DER, and correct signed.method."
    try:
        if b"BEGIN CERTIFICATE" in signed.key:
            key: t.Any = x509.load_pem_x509_certificate(signed.key).public_key()
        elif b"-----BEGIN" in signed.key:
            key = serialization.load_pem_public_key(signed.key)
        else:
            key = serialization.load_der_public_key(signed.key)
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm) as error:
        raise BoxliftError("its public key cannot be read", wrong) from error
    kind: type = ed25519.Ed25519PublicKey if signed.method == "ed25519" else rsa.RSAPublicKey
    if signed.method not in METHODS or not isinstance(key, kind):
        raise BoxliftError(f"its public key is none for {signed.method}", wrong)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SHORTEST_RSA:
        raise BoxliftError(
            f"its public key has {key.key_size} bits, so that others may sign too",
            f"Ask whoever sold the licence for one signed with {SHORTEST_RSA} bits or more.",
        )
    return t.cast("Ed25519PublicKey | RSAPublicKey", key)


def _verify(key: t.Any, method: str, proof: bytes, told: bytes) -> None:
    from cryptography import exceptions
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    sha256 = hashes.SHA256()
    pss = padding.PSS(padding.MGF1(sha256), padding.PSS.AUTO)
    more: dict[str, tuple[t.Any, ...]] = {
        "ed25519": (),
        "rsa_pss_sha256": (pss, sha256),
        "rsa_pkcs1_sha256": (padding.PKCS1v15(), sha256),
    }
    try:
        key.verify(proof, told, *more[method])
    except (exceptions.InvalidSignature, ValueError) as error:
        raise BoxliftError("its signature is not that of the named key over this content", _ANEW) from error
