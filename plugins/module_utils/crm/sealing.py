# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption at rest: AES-256-GCM, with a key from a file. Ids, times and hashes of records stay readable."""

from __future__ import annotations

import base64
import binascii
import os
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

KEY_BYTES = 32
_NONCE, _TAG = 12, 16
_PLAIN = "plain"
_KNOWN = b"boxlift store"
_MAKE = "Make one with: (umask 077; openssl rand -hex 32 > FILE), and keep a copy of it elsewhere."


def read_key(path: str) -> bytes:
    """The key in a file: 32 bytes, in hexadecimal, base64 or as they are. Raises BoxliftError, OSError."""
    with open(path, "rb") as source:
        if stat.S_IMODE(os.fstat(source.fileno()).st_mode) & 0o077:
            raise BoxliftError(f"Others may read the key file {path}.", f"Run chmod 600 {path}.")
        content = source.read(4096)
    if len(content) == KEY_BYTES:
        return content
    text = content.strip()
    for decode in (binascii.unhexlify, base64.b64decode):
        try:
            key = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    raise BoxliftError(f"The key file {path} does not hold a key of {KEY_BYTES} bytes.", _MAKE)


class Sealer:
    """Seals contents with the key; without a key it leaves them as they are."""

    def __init__(self, key: bytes | None) -> None:
        self._cipher: t.Any = None
        if key is not None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            if len(key) != KEY_BYTES:
                raise BoxliftError(f"A key of a store has {KEY_BYTES} bytes, not {len(key)}.", _MAKE)
            self._cipher = AESGCM(key)

    @property
    def seals(self) -> bool:
        return self._cipher is not None

    @property
    def overhead(self) -> int:
        """By how many bytes sealing makes data longer."""
        return _NONCE + _TAG if self.seals else 0

    def seal(self, data: bytes, place: bytes) -> bytes:
        if self._cipher is None:
            return data
        nonce = os.urandom(_NONCE)
        return nonce + t.cast(bytes, self._cipher.encrypt(nonce, data, place))

    def open(self, data: bytes, place: bytes) -> bytes:
        """Raises ValueError where it was sealed with another key or for another place."""
        if self._cipher is None:
            return data
        from cryptography.exceptions import InvalidTag

        try:
            return t.cast(bytes, self._cipher.decrypt(data[:_NONCE], data[_NONCE:], place))
        except InvalidTag as error:
            raise ValueError("it was sealed with another key, or altered") from error

    def mark(self) -> str:
        """By which `prove` knows the key again."""
        return _PLAIN if self._cipher is None else self.seal(_KNOWN, b"mark").hex()

    def prove(self, mark: str, path: str) -> None:
        """Raises BoxliftError where the mark is of another key."""
        if (mark == _PLAIN) != (self._cipher is None):
            if mark == _PLAIN:
                raise BoxliftError(
                    f"The store {path} is not encrypted, but a key is given.",
                    "Leave out store_key_file, or name a new store: the next full snapshot fills it.",
                )
            raise BoxliftError(f"The store {path} is encrypted.", "Give the file with its key as store_key_file.")
        if mark != _PLAIN:
            try:
                self.open(bytes.fromhex(mark), b"mark")
            except ValueError as error:
                raise BoxliftError(
                    f"The key is not the one that the store {path} was encrypted with.",
                    "Give the right file as store_key_file. Without its key the store cannot be read by anybody.",
                ) from error
