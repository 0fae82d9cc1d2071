# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that makes a site a dictated one: the key of the codes, and hashes of the codes in sealed envelopes.

The same file lies beside the journal on both sides. It is made on the supervisor's machine and travels to the site on
the bundle's medium, as secret as the passwords of the inventory. The codes of the envelopes are kept on paper alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import kept_of, new_code
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, digits

_VERSION = 1
_KEY_BYTES = 32
_MARK = 8  # characters of a hash's salt, by which the journal names an envelope


@dataclasses.dataclass(frozen=True)
class Envelope:
    """`purpose` is `stop`, `rollback`, `resume` or an occurrence; `kept` is the hash of its code."""

    purpose: str
    kept: str

    @property
    def mark(self) -> str:
        return self.kept[:_MARK]


@dataclasses.dataclass(frozen=True)
class Session:
    key: bytes = dataclasses.field(repr=False)
    envelopes: tuple[Envelope, ...]

    def opened_by(self, said: str) -> Envelope | None:
        """The envelope that held a code. Raises Misheard."""
        kept = kept_of((each.kept for each in self.envelopes), digits.ungrouped(said, codes.GROUPS))
        return next((each for each in self.envelopes if each.kept == kept), None)


@dataclasses.dataclass(frozen=True)
class Paper:
    """What one envelope holds, to be printed and then forgotten: its purpose, and the code in groups."""

    purpose: str
    code: str


def place_of(journal: str) -> str:
    """Where the file of a journal's site is: beside it."""
    return os.path.join(os.path.dirname(os.path.abspath(journal)), place.KEY)


def make(plan: Plan, key: bytes | None = None) -> tuple[Session, list[Paper]]:
    """A new session for a plan, with as many envelopes as it wants; with a new key if none is given."""
    papers, envelopes = [], []
    for purpose, count in plan.supervision.envelopes.items():
        for _each in range(count):
            code, kept = new_code(codes.GROUPS * digits.GROUP)
            papers.append(Paper(purpose, digits.grouped(code)))
            envelopes.append(Envelope(purpose, kept))
    return Session(key or secrets.token_bytes(_KEY_BYTES), tuple(envelopes)), papers


def write(path: str, session: Session) -> None:
    """Raises OSError."""
    data = {
        "version": _VERSION,
        "key": session.key.hex(),
        "envelopes": [dataclasses.asdict(each) for each in session.envelopes],
    }
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    replace_file(path, json.dumps(data, indent=1).encode() + b"\n")


def read(path: str) -> Session:
    """Raises BoxliftError, also where others may read the file; OSError if it cannot be read."""
    status = os.stat(path)
    if status.st_mode & 0o077:
        raise BoxliftError(
            f"Others may read {path}, so that its codes prove nothing.", f"chmod 600 {path}; or make a new one."
        )
    try:
        with open(path, encoding="utf-8") as stream:
            data: dict[str, t.Any] = json.load(stream)
        key = bytes.fromhex(data["key"])
        envelopes = tuple(Envelope(each["purpose"], each["kept"]) for each in data["envelopes"])
    except (ValueError, KeyError, TypeError) as error:
        raise BoxliftError(
            f"{path} is no file of playbook envelopes ({type(error).__name__}).",
            "Bring it over from the other side once more.",
        ) from None
    if len(key) != _KEY_BYTES or data.get("version") != _VERSION:
        raise BoxliftError(
            f"{path} holds no key of this version.", "Use the same version of the collection on both sides."
        )
    return Session(key, envelopes)
