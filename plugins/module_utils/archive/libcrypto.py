# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ECB decryption by the OpenSSL library that Python's `ssl` loads too."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import typing as t

_OPENSSL_NAMES = {"aes-256-ecb": b"AES-256-ECB", "bf-ecb": b"BF-ECB"}


@functools.lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("crypto")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    if not hasattr(library, "EVP_CIPHER_fetch"):  # before OpenSSL 3
        return None
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    prototypes: dict[str, tuple[t.Any, list[t.Any]]] = {
        "OSSL_PROVIDER_load": (pointer, [pointer, ctypes.c_char_p]),
        "EVP_CIPHER_fetch": (pointer, [pointer, ctypes.c_char_p, ctypes.c_char_p]),
        "EVP_CIPHER_CTX_new": (pointer, []),
        "EVP_CIPHER_CTX_free": (None, [pointer]),
        "EVP_CIPHER_CTX_set_key_length": (integer, [pointer, integer]),
        "EVP_CIPHER_CTX_set_padding": (integer, [pointer, integer]),
        "EVP_DecryptInit_ex": (integer, [pointer, pointer, pointer, ctypes.c_char_p, ctypes.c_char_p]),
        "EVP_DecryptUpdate": (integer, [pointer, pointer, pointer, ctypes.c_char_p, integer]),
    }
    for function, (result, arguments) in prototypes.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    # Blowfish lives in the provider of retired ciphers; loading that one alone would unload the default one.
    library.OSSL_PROVIDER_load(None, b"default")
    library.OSSL_PROVIDER_load(None, b"legacy")
    return library


class _LibcryptoDecryptor:
    def __init__(self, library: ctypes.CDLL, context: int) -> None:
        self._library = library
        self._context = context

    def update(self, data: bytes | memoryview) -> bytearray:
        output = bytearray(len(data))  # whole blocks in, as many out: there is no padding
        target = (ctypes.c_char * len(data)).from_buffer(output)
        written = ctypes.c_int(0)
        done = self._library.EVP_DecryptUpdate(self._context, target, ctypes.byref(written), bytes(data), len(data))
        if not done or written.value != len(data):
            raise ValueError(f"libcrypto has decrypted {written.value} of {len(data)} bytes")
        return output

    def __del__(self) -> None:
        self._library.EVP_CIPHER_CTX_free(self._context)


def libcrypto_decryptor(name: str, key: bytes) -> _LibcryptoDecryptor | None:
    """A decryptor for `aes-256-ecb` or `bf-ecb`; None where the library, or the cipher in it, is absent."""
    library = _library()
    if library is None:
        return None
    cipher = library.EVP_CIPHER_fetch(None, _OPENSSL_NAMES[name], None)
    if not cipher:
        return None
    context = library.EVP_CIPHER_CTX_new()
    decryptor = _LibcryptoDecryptor(library, context)
    ready = (
        library.EVP_DecryptInit_ex(context, cipher, None, None, None)
        and library.EVP_CIPHER_CTX_set_key_length(context, len(key))
        and library.EVP_DecryptInit_ex(context, None, None, key, None)
        and library.EVP_CIPHER_CTX_set_padding(context, 0)
    )
    return decryptor if ready else None
