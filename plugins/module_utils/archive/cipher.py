# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption of a backup: ECB without padding over the whole tar stream (backup_archive.md, section 3).

The first 512 bytes of the stream carry a signature and the proof of the password. Blocks are independent, so any range
of the stream that is a multiple of the block size can be decrypted by itself.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

HEADER_SIZE = 512
SIGNATURE = b"Bitrix Encrypted File"
NEWEST_VERSION = (1, 2)


class Decryptor(t.Protocol):
    def update(self, data: bytes | memoryview) -> bytes | bytearray: ...


class WrongPassword(BoxliftError):
    """The password does not open this backup."""


@dataclasses.dataclass(frozen=True)
class Cipher:
    """A proven cipher and key. `decryptor()` gives a fresh object per thread; feed it multiples of 16 bytes."""

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
    # OpenSSL itself first: loading the package takes longer than decrypting some hundred megabytes.
    found = _libcrypto_decryptor(name, key) or _cryptography_decryptor(name, key)
    if found is None:
        raise BoxliftError(
            f"This host has no library that can decrypt {name}.",
            "Install the Debian package python3-cryptography (the role boxlift.portal.host does).",
        )
    return found


def _libcrypto_decryptor(name: str, key: bytes) -> Decryptor | None:
    # Loaded with the first encrypted backup: `ctypes.util` brings half of the standard library along.
    from ansible_collections.boxlift.portal.plugins.module_utils.archive.libcrypto import libcrypto_decryptor

    return libcrypto_decryptor(name, key)


def _cryptography_decryptor(name: str, key: bytes) -> Decryptor | None:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.ciphers import Cipher as CryptographyCipher
        from cryptography.hazmat.primitives.ciphers import algorithms, modes
    except ImportError:
        return None
    algorithm: t.Any
    if name == "aes-256-ecb":
        algorithm = algorithms.AES(key)
    else:
        try:  # Newer releases keep Blowfish among the retired ciphers.
            from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
        except ImportError:
            from cryptography.hazmat.primitives.ciphers.algorithms import Blowfish
        algorithm = Blowfish(key)
    try:
        decryptor: Decryptor = CryptographyCipher(algorithm, modes.ECB()).decryptor()
    except UnsupportedAlgorithm:
        return None
    return decryptor
