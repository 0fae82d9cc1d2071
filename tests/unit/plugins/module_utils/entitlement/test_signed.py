# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures: what the key has not signed is nothing, however it is written."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import functools
import json
import sys
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.signed import METHODS, Signed, opened
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

PAYLOAD = b"Features = voice\nExpires = 2027-01-01\n"
PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@functools.cache
def private(method: str) -> t.Any:
    if method == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def public(method: str, form: t.Any = PEM) -> bytes:
    found: bytes = private(method).public_key().public_bytes(*form)
    return found


def sign(method: str, data: bytes) -> bytes:
    sha256 = hashes.SHA256()
    more: dict[str, tuple[t.Any, ...]] = {
        "ed25519": (),
        "rsa_pss_sha256": (padding.PSS(padding.MGF1(sha256), 32), sha256),
        "rsa_pkcs1_sha256": (padding.PKCS1v15(), sha256),
    }
    found: bytes = private(method).sign(data, *more[method])
    return found


def how(method: str, **more: t.Any) -> Signed:
    return Signed(method, public(method), **more)


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def written(method: str, layout: str, payload: bytes, signed: bytes | None = None) -> tuple[bytes, Signed]:
    """A file with this payload, and a signature over `signed`, the payload if not given."""
    if layout == "detached":
        return payload, how(method, proof=sign(method, signed or payload))
    if layout == "fields":
        proof = base64.b64encode(sign(method, signed or payload)).decode()
        envelope = {"data": {"payload": base64.b64encode(payload).decode()}, "sig": proof}
        return json.dumps(envelope).encode(), how(
            method, layout=layout, payload_field="data/payload", proof_field="sig"
        )
    if layout == "marker":
        proof = base64.encodebytes(sign(method, signed or payload)).decode()
        text = payload + b"-----BEGIN SIGNATURE-----\r\n" + proof.encode() + b"-----END SIGNATURE-----\n"
        return text, how(method, layout=layout, marker="-----BEGIN SIGNATURE-----")
    head = b64(b'{"alg":"none"}') + b"." + b64(payload)
    over = head if signed is None else b64(b"{}") + b"." + b64(signed)
    return head + b"." + b64(sign(method, over)) + b"\n", how(method, layout="jws")


LAYOUTS = ("detached", "fields", "marker", "jws")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_key_has_signed_is_opened_and_nothing_else(method: str, layout: str) -> None:
    data, told = written(method, layout, PAYLOAD)
    assert opened(data, told) == PAYLOAD
    # A right signature of another payload, and one of another key.
    with pytest.raises(BoxliftError, match="not that of the named key over this content"):
        opened(*written(method, layout, PAYLOAD, b"Features = fax\n"))
    stranger = {"ed25519": ed25519.Ed25519PrivateKey.generate}.get(
        method, lambda: rsa.generate_private_key(65537, 2048)
    )()
    key = t.cast("t.Any", stranger).public_key().public_bytes(*PEM)
    with pytest.raises(BoxliftError, match="not that of the named key over this content"):
        opened(data, dataclasses.replace(told, key=key))


def test_a_changed_byte_of_the_payload_is_seen() -> None:
    data, told = written("ed25519", "detached", PAYLOAD)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(BoxliftError):
            opened(changed, told)


@pytest.mark.parametrize("method", METHODS)
def test_a_detached_signature_may_be_raw_hexadecimal_or_base64(method: str) -> None:
    proof = sign(method, PAYLOAD)
    texts = (proof, proof.hex().encode(), proof.hex().upper().encode() + b"\r\n", base64.encodebytes(proof), b64(proof))
    for text in (*texts, b"\xef\xbb\xbf" + base64.b64encode(proof), base64.b64encode(proof).decode().encode("utf-16")):
        assert opened(PAYLOAD, how(method, proof=text)) == PAYLOAD


def certificate(method: str) -> bytes:
    """One that the key has signed itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vendor")])
    day = datetime.datetime(2026, 1, 1)
    built = x509.CertificateBuilder(name, name, private(method).public_key(), 1, day, day + datetime.timedelta(1))
    signed = built.sign(private(method), None if method == "ed25519" else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("method", METHODS)
def test_keys_may_be_in_der_or_in_a_certificate(method: str) -> None:
    for key in (public(method, DER), certificate(method)):
        assert opened(PAYLOAD, Signed(method, key, proof=sign(method, PAYLOAD))) == PAYLOAD


def of_curve() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*PEM)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Signed("ed25519", b"", proof=b"x" * 64), "its public key cannot be read"),
        (Signed("ed25519", b"-----BEGIN PUBLIC KEY-----", proof=b"x" * 64), "its public key cannot be read"),
        (Signed("ed25519", b"-----BEGIN CERTIFICATE-----", proof=b"x" * 64), "its public key cannot be read"),
        (Signed("ed25519", of_curve(), proof=b"x" * 64), "its public key is none for ed25519"),
        (Signed("rsa_pss_sha256", public("ed25519"), proof=b"x" * 64), "its public key is none for rsa_pss_sha256"),
        (Signed("none", public("rsa_pss_sha256"), proof=b"x" * 64), "its public key is none for none"),
        (Signed("ed25519", public("ed25519")), "its signature is not there"),
        (Signed("ed25519", public("ed25519"), proof=b""), "its signature has 0 bytes"),
        (Signed("ed25519", public("ed25519"), proof=b"\xff" * 63), "no text in utf-8"),
        (Signed("ed25519", public("ed25519"), proof=b"z" * 128), "its signature has 0 bytes"),
        (Signed("ed25519", public("ed25519"), proof=b"????"), "its signature is no Base64"),
        (Signed("ed25519", public("ed25519"), layout="other"), "its layout other is not known"),
        (Signed("ed25519", public("ed25519"), layout="jws"), "no header.payload.signature"),
        (Signed("ed25519", public("ed25519"), layout="marker"), "the line '' is not there once"),
        (Signed("ed25519", public("ed25519"), layout="marker", marker="--"), "the line '--' is not there once"),
        (Signed("ed25519", public("ed25519"), layout="fields"), "no JSON"),
        (Signed("ed25519", public("ed25519"), layout="fields", envelope="key_value"), "field payload is not there"),
    ],
)
def test_what_is_not_proven_is_refused(told: Signed, words: str) -> None:
    with pytest.raises(BoxliftError, match=words):
        opened(PAYLOAD, told)


def test_a_short_key_of_rsa_proves_nothing() -> None:
    key = rsa.generate_private_key(65537, 1024)
    proof = key.sign(PAYLOAD, padding.PKCS1v15(), hashes.SHA256())
    told = Signed("rsa_pkcs1_sha256", key.public_key().public_bytes(*PEM), proof=proof)
    with pytest.raises(BoxliftError, match="has 1024 bits"):
        opened(PAYLOAD, told)


def test_a_marker_that_is_there_twice_says_nothing() -> None:
    """Or somebody could add what was never signed."""
    data, told = written("ed25519", "marker", PAYLOAD)
    with pytest.raises(BoxliftError, match="is not there once"):
        opened(data + data, told)


def test_a_payload_in_a_field_may_be_plain_text() -> None:
    text = '{"id": "voice"}'
    envelope = json.dumps({"payload": text, "signature": sign("ed25519", text.encode()).hex()}).encode()
    assert opened(envelope, how("ed25519", layout="fields", payload_base64=False)) == text.encode()


def test_without_the_library_nothing_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    data, told = written("ed25519", "detached", PAYLOAD)
    with pytest.raises(BoxliftError, match="cannot be verified without cryptography"):
        opened(data, told)


@given(
    st.binary(max_size=200),
    st.sampled_from(METHODS),
    st.sampled_from(LAYOUTS),
    st.one_of(st.none(), st.binary(max_size=80)),
    st.one_of(st.none(), st.binary(max_size=80)),
    st.text(max_size=8),
)
@settings(max_examples=200)
def test_nothing_raises_anything_else_and_nothing_is_opened(
    data: bytes, method: str, layout: str, proof: bytes | None, key: bytes | None, marker: str
) -> None:
    told = how(method, layout=layout, proof=proof, marker=marker)
    with pytest.raises(BoxliftError) as raised:
        opened(data, told if key is None else dataclasses.replace(told, key=key))
    assert raised.value.message and raised.value.remedy
