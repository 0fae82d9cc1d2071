# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption of a backup: ECB without padding over the whole tar stream (docs/archive-format.md, section 3).

The first 512 bytes of the stream hold a signature and the proof of the password. Blocks are independent, so any run of
whole blocks can be decrypted by itself. The library is cryptography: its update_into() is faster than OpenSSL called
through ctypes, on Debian 12 (release 38) by 25 % and on Debian 13 (release 43) by 27 %.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
import warnings

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

HEADER_SIZE = 512
SIGNATURE = b"Bitrix Encrypted File"
NEWEST_VERSION = (1, 2)
_SPARE = 15  # bytes that update_into() wants beside the data: a block less one


class Decryptor:
    """Decrypts into one buffer that it uses again and again: with a fresh one for each call it is a tenth slower."""

    def __init__(self, context: t.Any) -> None:
        self._context = context
        self._buffer = bytearray()

    def update(self, data: bytes | memoryview) -> memoryview:
        """The plain bytes of whole blocks, as many as went in; they are valid until the next call."""
        if len(self._buffer) < len(data) + _SPARE:
            self._buffer = bytearray(len(data) + _SPARE)
        return memoryview(self._buffer)[: self._context.update_into(data, self._buffer)]


class WrongPassword(BoxliftError):
    """The password does not open this backup."""


@dataclasses.dataclass(frozen=True)
class Cipher:
    """A proven cipher and key. `decryptor()` makes an object for one thread; feed it multiples of 16 bytes."""

    name: str
    key: bytes = dataclasses.field(repr=False)

    def decryptor(self) -> Decryptor:
        return _decryptor(self.name, self.key)


def is_header(block: bytes) -> bool:
    return block[100:190].rstrip(b"\0") == SIGNATURE


def open_cipher(header: bytes, password: str | None, part_name: str) -> Cipher:
    """The cipher whose decryption of bytes 256..511 equals bytes 0..255.

    Raises PartFault where the header itself is damaged or absent, WrongPassword where the password does not fit.
    """
    if len(header) < HEADER_SIZE:
        raise PartFault("truncated", f"ends after {len(header)} bytes, inside the encryption header", len(header))
    if not is_header(header):
        raise PartFault("corrupt", "the encryption header is damaged or is not there", 0)
    version = header[190:200].rstrip(b"\0").decode("ascii", "replace")
    try:
        known = tuple(int(number) for number in version.split(".")) <= NEWEST_VERSION
    except ValueError:
        raise PartFault("corrupt", f"the encryption header names version {version!r}", 190) from None
    if not known:
        raise BoxliftError(
            f"{part_name} is encrypted in version {version} of the format; this release knows versions up to 1.2.",
            "Look for a newer release of boxlift.portal.",
        )
    if not password:
        raise WrongPassword(
            f"{part_name} is encrypted and no password was given.", "Give the password that was set for the backup."
        )
    key = hashlib.md5(password.encode("utf-8"), usedforsecurity=False).hexdigest().encode("ascii")
    damaged = False
    for name in ("aes-256-ecb", "bf-ecb"):
        cipher = Cipher(name, key)
        plain = cipher.decryptor().update(header[256:512])
        same = sum(plain[at : at + 16] == header[at : at + 16] for at in range(0, 256, 16))
        if same == 16:
            return cipher
        # The right key leaves only the damaged blocks different; a wrong one leaves none alike.
        damaged = damaged or same > 0
    if damaged:
        raise PartFault("corrupt", "the encryption header is damaged", 0)
    raise WrongPassword(
        f"The password does not open {part_name}.", "Check its case, the keyboard layout and spaces at its ends."
    )


def _decryptor(name: str, key: bytes) -> Decryptor:
    try:  # Here, not on top: only an encrypted backup needs it, and it takes 60 ms on Debian 12.
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.ciphers import Cipher as CryptographyCipher
        from cryptography.hazmat.primitives.ciphers import algorithms, modes
    except ImportError as error:
        raise _no_library(name) from error
    try:
        algorithm = algorithms.AES(key) if name == "aes-256-ecb" else _blowfish()(key)
        return Decryptor(CryptographyCipher(algorithm, modes.ECB()).decryptor())
    except UnsupportedAlgorithm as error:
        raise _no_library(name) from error


def _no_library(name: str) -> BoxliftError:
    return BoxliftError(
        f"This host has no library that can decrypt {name}.",
        "Install the Debian package python3-cryptography (the role boxlift.portal.host does).",
    )


def _blowfish() -> t.Any:
    """The class, which release 43 moved among the retired ciphers; in the older place its import warns of that."""
    try:
        from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
    except ImportError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from cryptography.hazmat.primitives.ciphers.algorithms import Blowfish
    return Blowfish
