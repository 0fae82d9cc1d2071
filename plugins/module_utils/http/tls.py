# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a client trusts: TLS contexts for downloads, for visits, and for looking at a certificate."""

from __future__ import annotations

import os
import socket
import ssl
import warnings

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def tls_context(ca_path: str | None, validate: bool) -> ssl.SSLContext:
    """A client's context that trusts the system's authorities, or instead those in `ca_path` (a file or a directory).

    Raises BoxliftError where `ca_path` cannot be read.
    """
    if not validate:
        return unjudged_context()
    if ca_path is None:
        return ssl.create_default_context()
    try:
        if os.path.isdir(ca_path):
            return ssl.create_default_context(capath=ca_path)
        return ssl.create_default_context(cafile=ca_path)
    except (OSError, ssl.SSLError) as error:
        raise BoxliftError(
            f"ca_path {ca_path} cannot be read: {error}.", "Give a file of certificates in PEM form."
        ) from error


def unjudged_context() -> ssl.SSLContext:
    """A context that takes any certificate, and therefore reads no authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def chain_context(ca_path: str) -> ssl.SSLContext:
    """A context that proves the chain against the system's authorities and those in `ca_path`, but compares no names.

    Raises BoxliftError where `ca_path` does not exist.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    if ca_path:
        if not os.path.exists(ca_path):
            raise BoxliftError(f"ca_path {ca_path} does not exist.", "Give the CA's certificate file or directory.")
        kind = "capath" if os.path.isdir(ca_path) else "cafile"
        context.load_verify_locations(**{kind: ca_path})
    return context


def trusting_context(ca_path: str) -> ssl.SSLContext:
    """A context that proves the chain as `chain_context` does, and compares the name too: for what is secret."""
    context = chain_context(ca_path)
    context.check_hostname = True
    return context


def mutual_context(authority: str, certificate: str, key: str) -> ssl.SSLContext:
    """A context that shows a certificate of its own, and proves the other end by this authority and by its name.

    The paths are files in PEM form. Raises OSError where one cannot be read, or key and certificate do not match.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=authority)
    context.load_cert_chain(certificate, key)
    return context


def takes_old_tls(sock: socket.socket, host: str) -> bool:
    """Whether the server at the other end shakes hands with TLS 1.0 or 1.1. Closes the connection.

    Raises OSError if this library itself cannot offer them, or if the other end says nothing.
    """
    context = unjudged_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with sock:
        try:
            context.wrap_socket(sock, server_hostname=host).close()
        except ssl.SSLError as refusal:
            if refusal.reason in ("NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE"):
                raise
            return False
        except ConnectionResetError:
            return False
    return True
