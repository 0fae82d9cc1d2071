# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a portal's REST answers, and what each failure says of the request: carried out, not, or nobody knows."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


class RestError(BoxliftError):
    """The portal refused: nothing was done, and repeating is of no use.

    `code` is the portal's own, such as `ERROR_CORE`; `status` that of HTTP, 200 for a command of a batch.
    """

    def __init__(self, message: str, remedy: str = "", *, code: str = "", status: int = 0) -> None:
        super().__init__(message, remedy, code=code, status=status)
        self.code = code
        self.status = status


class Denied(RestError):
    """The portal does not know us, or its rights, scope or plan forbid it: people must act."""


class Unanswered(BoxliftError):
    """No whole answer came. Whether the request was carried out is not known; where `sent` is false, it was not."""

    def __init__(self, message: str, remedy: str = "", *, sent: bool = True) -> None:
        super().__init__(message, remedy)
        self.sent = sent


class Busy(Exception):
    """The portal carried nothing out, and wants to be asked again later. Never leaves this package."""

    def __init__(self, code: str, method: str, pause: float = 0.0) -> None:
        super().__init__(code)
        self.code = code
        self.method = method
        self.pause = pause


class Expired(Exception):
    """The access token has expired; nothing was carried out. Never leaves this package."""

    token = ""  # which one


@dataclasses.dataclass(frozen=True)
class Answer:
    """Of one call. `total` and `next` only where the portal gave them; `time` is what it says of its own work."""

    result: t.Any
    total: int | None = None
    next: int | None = None
    time: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


Outcome = t.Union[Answer, RestError, Unanswered]

# Nothing was carried out, and the same request passes later.
BUCKET = "QUERY_LIMIT_EXCEEDED"
OPERATING = "OPERATION_TIME_LIMIT"
# The vendor's support has blocked the portal's REST by hand.
OVERLOAD = "OVERLOAD_LIMIT"
# The portal does not know us, or does not let us, whatever is asked for.
CREDENTIALS = {
    "ACCESS_DENIED",
    "ALLOWED_ONLY_INTRANET_USER",
    "AUTHORIZATION_ERROR",
    "EXPIRED_TOKEN",
    "INSUFFICIENT_SCOPE",
    "INVALID_CREDENTIALS",
    "INVALID_TOKEN",
    "NO_AUTH_FOUND",
    "PAYMENT_REQUIRED",
    "PORTAL_DELETED",
    "USER_ACCESS_ERROR",
    "WRONG_AUTH_TYPE",
}
# The portal itself does not know what became of it.
_UNKNOWN = {"INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"}
_LOOK = "See the portal's log, and whether it answers (curl -I)."


def refusal(method: str, status: int, error: t.Mapping[str, t.Any], pause: float = 0.0) -> Exception:
    """What a JSON answer with `error` means: Busy, Expired, Denied, RestError or Unanswered."""
    code = str(error.get("error") or "")
    text = str(error.get("error_description") or code or f"status {status}").strip()
    message = f"{method}: {text if text.endswith('.') else text + '.'}"
    upper = code.upper()
    if upper in (BUCKET, OPERATING) or (status == 429 and upper != OVERLOAD):
        return Busy(OPERATING if upper == OPERATING or status == 429 else BUCKET, method, pause)
    if upper == OVERLOAD:
        return Denied(
            message, "The vendor's support has blocked the portal's REST: ask them why.", code=code, status=status
        )
    if upper == "EXPIRED_TOKEN":
        return Expired()
    if upper == "PORTAL_DELETED":
        remedy = "The portal's public part is closed, or the portal is deleted: open it (module main, site_stopped)."
        return Denied(message, remedy, code=code, status=status)
    if upper in CREDENTIALS or status in (401, 402, 403):
        remedy = "Give the webhook or the application the scopes crm and user, an administrator as owner, or a new one."
        return Denied(message, remedy, code=code, status=status)
    if upper in _UNKNOWN or status >= 500:
        return Unanswered(message, _LOOK)
    return RestError(message, "Correct what the portal says.", code=code, status=status)


def page_instead(method: str, status: int, pause: float = 0.0) -> Exception:
    """What an answer means that is no JSON of the portal."""
    if status == 429:
        return Busy(BUCKET, method, pause)
    if status in (401, 403, 404, 405, 407, 413, 414):
        return Denied(
            f"{method}: status {status} with a page instead of JSON.",
            "See what stands before the portal (proxy, firewall, web server), and whether the address is that of REST.",
            code=f"HTTP_{status}",
            status=status,
        )
    return Unanswered(f"{method}: status {status} with a page instead of JSON.", _LOOK)
