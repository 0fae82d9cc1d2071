# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep secrets out of what is written down: values known to be secret, and what looks like one."""

from __future__ import annotations

import re
import typing as t

from ansible.errors import AnsibleError
from ansible.parsing.vault import EncryptedString
from ansible_collections.boxlift.portal.plugins.module_utils.secret_names import is_secret_name

MASK = "********"

# So the filter dict2items calls the names of a dictionary.
_ORDINARY_NAMES = frozenset({"key", "keys"})
# A file may be named, also where a variable with the name of a key holds its path.
_PATH = re.compile(r"/(?:etc|home|opt|root|run|srv|tmp|usr|var)/[\w./-]+")
_SHORTEST_VALUE = 4  # anything shorter would mask ordinary text
_SHORTEST_NUMBER = 6  # years and ports are no secrets
_SHORTEST_LINE = 16  # of a secret with several lines, such as a key

_PATTERNS = (
    # user:password@ in a URL, a signature that opens a link, and the code in the URL of an incoming webhook
    (re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"), MASK),
    (re.compile(r"([?&][\w.-]*(?:sign|signature|sig|token|key|hash|auth)=)[^\s&\"'<>]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(/rest/\d+/)[A-Za-z0-9]{8,}"), rf"\1{MASK}"),
    # password=…, --token …, 'secret' => '…', "secret": "…", Authorization: Bearer …
    (
        re.compile(
            r"((?:passw(?:or)?d|passphrase|secret|token|api_?key|private_?key)[\"']?\s*(?:=>|[=:])\s*[\"']?)[^\s\"',;&]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(--[\w-]*(?:password|secret|token|key)\s+)\S+"), rf"\1{MASK}"),
    (re.compile(r"(authorization:\s*(?:\w+\s+)?)[^\s\"',;]+", re.IGNORECASE), rf"\1{MASK}"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        MASK,
    ),
)


def decrypted(value: EncryptedString) -> str:
    """The text of a vaulted variable; nothing where its vault is closed, for then no task can show it either."""
    try:
        return str(value)
    except AnsibleError:
        return ""


def _is_secret(name: str) -> bool:
    return name not in _ORDINARY_NAMES and is_secret_name(name)


def _hides(name: t.Any, value: t.Any) -> bool:
    return isinstance(value, str) and bool(value) and not _PATH.fullmatch(value) and _is_secret(str(name))


class Redactor:
    """Learns secrets from options and variables by their names, and masks them in text."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def learn(self, values: t.Any, name: str = "") -> None:
        """Remember every string below a name that says secret. Templates are not values yet and are passed over."""
        if isinstance(values, t.Mapping):
            if "changed" in values:
                # A registered result is not a secret because of the name it was given: what it holds has names too.
                name = ""
            for key, value in values.items():
                key = str(key)
                self.learn(value, key if _is_secret(key) else name)
        elif isinstance(values, (list, tuple)):
            for value in values:
                self.learn(value, name)
        elif name and isinstance(values, str) and "{{" not in values and not _PATH.fullmatch(values):
            self._remember(str(values), _SHORTEST_VALUE)
        elif isinstance(values, EncryptedString):
            self._remember(decrypted(values), _SHORTEST_VALUE)
        elif name and isinstance(values, int):
            self._remember(str(values), _SHORTEST_NUMBER)

    def _remember(self, value: str, shortest: int) -> None:
        found = {value} if len(value) >= shortest else set()
        if "\n" in value:
            found |= {line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE}
        if not found <= self._values:
            self._values |= found
            self._known = re.compile("|".join(re.escape(v) for v in sorted(self._values, key=len, reverse=True)))

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def data(self, value: t.Any) -> t.Any:
        """The same structure of plain JSON types, every string masked."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, t.Mapping):
            return {str(key): MASK if _hides(key, item) else self.data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [self.data(item) for item in value]
        return self.text(str(value))


def masking(task_vars: t.Mapping[str, t.Any]) -> t.Callable[[t.Any], t.Any]:
    """Masks what a task's variables name as secret, for actions that write a line themselves."""
    redactor = Redactor()
    redactor.learn({key: value for key, value in task_vars.items() if key not in ("hostvars", "vars", "groups")})
    return redactor.data
