# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends one mail over SMTP, with the server's certificate verified.

Not by community.general.mail: it verifies no certificate, and with `secure: always` it falls back to a connection
without TLS if the first one is refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.message
import email.policy
import email.utils
import smtplib
import socket
import ssl
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import Message

SECURE = ("always", "starttls", "never")


@dataclasses.dataclass(frozen=True)
class Server:
    """`seconds` is how long a connected server may take for a mail. `ca_path` is a private authority's certificate."""

    host: str
    sender: str
    port: int = 465
    secure: str = "always"
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    ca_path: str = ""
    seconds: float = 20.0


def send(server: Server, to: str, message: Message, identity: str) -> None:
    """Hand the mail over. Raises BoxliftError with the reason, which holds no secret.

    The same `identity` makes the same Message-ID, so that a mail program shows a repeated one once.
    """
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = server.sender, to, message.subject
    mail["Date"] = email.utils.formatdate(localtime=False)
    mail["Message-ID"] = f"<{identity}@{server.sender.rpartition('@')[2].rstrip('>')}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    mail.set_content(message.body, cte="base64")
    try:
        _hand_over(server, mail)
    except (OSError, smtplib.SMTPException, UnicodeError) as error:  # the last one for what is no host's name
        raise BoxliftError(
            f"{server.host}:{server.port} did not take the mail: {_reason(error)}",
            "Look at notify_smtp, and at the mail server.",
        ) from error


def _hand_over(server: Server, mail: email.message.EmailMessage) -> None:
    context = ssl.create_default_context(cafile=server.ca_path or None)
    kind: t.Callable[..., smtplib.SMTP] = smtplib.SMTP
    if server.secure == "always":
        kind = _verified(context)
    smtp = kind(server.host, server.port, timeout=server.seconds / 2)
    # A timeout of the socket is for each answer alone: a server that speaks slowly could take for ever.
    limit = threading.Timer(server.seconds, _cut, [smtp])
    limit.daemon = True
    limit.start()
    try:
        if server.secure == "starttls":
            smtp.starttls(context=context)
        if server.username:
            smtp.login(server.username, server.password)
        smtp.send_message(mail)
        limit.cancel()
        with contextlib.suppress(OSError, smtplib.SMTPException):
            smtp.quit()  # the server has taken the mail; how it says goodbye changes nothing
    finally:
        limit.cancel()
        smtp.close()


def _verified(context: ssl.SSLContext) -> t.Callable[..., smtplib.SMTP]:
    def connect(host: str, port: int, timeout: float) -> smtplib.SMTP:
        return smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)

    return connect


def _cut(smtp: smtplib.SMTP) -> None:
    if smtp.sock is not None:
        socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    """The server's own words, or the system's; never what was said to it."""
    if isinstance(error, smtplib.SMTPResponseException):
        told = error.smtp_error
        return f"{error.smtp_code} {told.decode('utf-8', 'replace') if isinstance(told, bytes) else told}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{code} {told.decode('utf-8', 'replace')}" for code, told in error.recipients.values())
    return str(error) or type(error).__name__
