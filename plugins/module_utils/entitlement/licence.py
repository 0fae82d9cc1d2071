# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One licence file: how the inventory says that it is to be read, and what stands in it."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.entitlement import dates, documents, signed
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.identity import KINDS
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: What a field map may name.
FIELDS = ("features", "expires", "starts", "trial", "customer", *KINDS)
UNLIMITED = ("never", "perpetual", "permanent", "unlimited", "none")
ANY_HOST = ("*", "any", "all")
TRIAL = ("true", "yes", "y", "1", "on", "trial", "demo", "eval", "evaluation")
FULL = ("false", "no", "n", "0", "off", "full", "commercial", "production")
_SEPARATORS = re.compile(r"[,;|\n]")
_YES = frozenset(("true", "yes", "y", "1", "on"))
_MAP = "Correct the field map of this file in site_licence_files, or get the file anew."


@dataclasses.dataclass(frozen=True)
class LicenceFile:
    """An entry of the inventory. `fields` names where in the file something stands; what is not named is not asked."""

    id: str
    path: str
    form: str = "key_value"
    encoding: str = "auto"
    fields: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Features that the file stands for by itself, and the site's id for each name that its maker gave.
    grants: tuple[str, ...] = ()
    names: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    separator: str = ""
    date_format: str = dates.ISO
    timezone: str = "Etc/UTC"
    last_day: bool = True
    unlimited: tuple[str, ...] = UNLIMITED
    any_host: tuple[str, ...] = ANY_HOST
    trial_values: tuple[str, ...] = TRIAL
    full_values: tuple[str, ...] = FULL
    trial: bool = False
    customer: str = ""
    owner: str = "sales"
    replace_by: str = ""


@dataclasses.dataclass(frozen=True)
class Licence:
    """What stands in a file. `features` are ids of the site; `bound` says for what it is, by kind."""

    features: frozenset[str]
    expires: datetime.datetime | None = None
    starts: datetime.datetime | None = None
    trial: bool = False
    customer: str = ""
    bound: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    #: Whether a signature was verified.
    proven: bool = False


class Absent(BoxliftError):
    """There is no such file."""


def load(file: LicenceFile, content: bytes | None = None, how: signed.Signed | None = None) -> Licence:
    """What stands in the file, or in `content` where it was brought; `how` it is signed.

    Raises BoxliftError, which says what is wrong without naming the file; Absent if it is not there; and OSError.
    """
    if content is None:
        try:
            content = documents.read_bounded(file.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Absent("it is not there", f"Put the licence file to {file.path}, or correct its path.") from error
        except ValueError as error:  # a path with NUL
            raise BoxliftError("its path is none", "Correct the path in site_licence_files.") from error
    if len(content) > documents.MOST_BYTES:
        raise BoxliftError("it is too big for a licence", "Name the licence file itself.")
    if not content.strip():
        raise BoxliftError("it is empty", "Get the licence file anew.")
    return read(file, content, how)


def read(file: LicenceFile, content: bytes, how: signed.Signed | None = None) -> Licence:
    """Raises BoxliftError."""
    if how is not None:
        content = signed.opened(content, how)
    unknown = sorted(set(file.fields) - set(FIELDS))
    if unknown:
        raise BoxliftError(f"its map names {', '.join(unknown)}", f"A field map has {', '.join(FIELDS)}.")
    if "features" not in file.fields and not file.grants:
        raise BoxliftError(
            "nothing says which features it grants", "Give its entry grants, or fields.features with the field's path."
        )
    root = documents.parse(content, file.form, file.encoding)
    zone = dates.zone_of(file.timezone)
    expires, starts = _one(root, file, "expires"), _one(root, file, "starts")
    return Licence(
        features=frozenset((*(each.casefold() for each in file.grants), *_features(root, file))),
        expires=dates.end_of(expires, file.date_format, zone, file.last_day)
        if expires is not None and not _among(expires, file.unlimited)
        else None,
        starts=dates.start_of(starts, file.date_format, zone) if starts else None,
        trial=file.trial or _trial(_one(root, file, "trial"), file),
        customer=_one(root, file, "customer") or "",
        bound={kind: values for kind in KINDS if (values := _bound(root, file, kind))},
        proven=how is not None,
    )


def _among(value: str, words: t.Iterable[str]) -> bool:
    return value.casefold() in {word.strip().casefold() for word in words}


def _fields(root: documents.Node, file: LicenceFile, name: str) -> list[documents.Node]:
    """Raises BoxliftError where the map names a field that is not there: nothing is taken for granted."""
    path = file.fields[name]
    found = documents.find(root, path)
    if not found:
        there = ", ".join(dict.fromkeys(documents.plain(each) for each, _node in root.children))[:200] or "no field"
        raise BoxliftError(f"it has no field {path}; there is: {there}", _MAP)
    return found


def _one(root: documents.Node, file: LicenceFile, name: str) -> str | None:
    """The text of a field that has one value; None where the map does not name it."""
    if name not in file.fields:
        return None
    found = list(dict.fromkeys(documents.plain(each.text) for each in _fields(root, file, name)))
    if len(found) > 1:
        raise BoxliftError(f"its field {file.fields[name]} is there {len(found)} times with different values", _MAP)
    if not found[0] and not {"expires": "" in file.unlimited, "customer": True}.get(name, False):
        raise BoxliftError(f"its field {file.fields[name]} is empty", _MAP)
    return found[0]


def _split(text: str, separator: str) -> list[str]:
    parts = text.split(separator) if separator else _SEPARATORS.split(text)
    return [part.strip() for part in parts if part.strip()]


def _features(root: documents.Node, file: LicenceFile) -> set[str]:
    """Ids. A field with fields of its own grants those that say yes."""
    if "features" not in file.fields:
        return set()
    told: list[str] = []
    for node in _fields(root, file, "features"):
        told += [documents.plain(name) for name, child in node.children if child.text.strip().casefold() in _YES]
        told += _split(documents.plain(node.text), file.separator)
    names = {name.strip().casefold(): feature for name, feature in file.names.items()}
    return {names.get(each.casefold(), each).casefold() for each in told}


def _bound(root: documents.Node, file: LicenceFile, kind: str) -> tuple[str, ...]:
    if kind not in file.fields:
        return ()
    texts = [documents.plain(each.text) for each in _fields(root, file, kind)]
    values = [value for text in texts for value in (re.split(r"[\s,;|]+", text))]
    if any(_among(value, file.any_host) for value in values):
        return ()
    values = [value for value in values if value]
    if not values:
        raise BoxliftError(
            f"its field {file.fields[kind]} is empty", "If that means any host, add '' to any_host; else get it anew."
        )
    return tuple(values)


def _trial(value: str | None, file: LicenceFile) -> bool:
    if value is None or _among(value, file.full_values):
        return False
    if _among(value, file.trial_values):
        return True
    raise BoxliftError(
        f"its field {file.fields['trial']} is {value[:40]!r}, and nothing says whether that is a trial",
        "Name the value in trial_values or in full_values.",
    )


# -- an entry of the inventory, as options


def _texts(entry: t.Mapping[str, t.Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = entry.get(name)
    return default if value is None else tuple(str(each) for each in value)


def declared(entry: t.Mapping[str, t.Any], timezone: str) -> LicenceFile:
    """An entry of the module's option licence_files."""
    path = str(entry["path"])
    given = {name: str(value) for name, value in (entry.get("fields") or {}).items() if value}
    return LicenceFile(
        id=str(entry.get("id") or re.sub(r"[^a-z0-9_.-]", "_", path.rstrip("/").rpartition("/")[2].lower()) or "file"),
        path=path,
        form=entry.get("format") or "key_value",
        encoding=entry.get("encoding") or "auto",
        fields=given,
        grants=_texts(entry, "grants", ()),
        names={str(name): str(feature) for name, feature in (entry.get("names") or {}).items()},
        separator=entry.get("separator") or "",
        date_format=entry.get("date_format") or dates.ISO,
        timezone=entry.get("timezone") or timezone,
        last_day=entry.get("last_day") is not False,
        unlimited=_texts(entry, "unlimited", UNLIMITED),
        any_host=_texts(entry, "any_host", ANY_HOST),
        trial_values=_texts(entry, "trial_values", TRIAL),
        full_values=_texts(entry, "full_values", FULL),
        trial=bool(entry.get("trial")),
        customer=entry.get("customer") or "",
        owner=entry.get("owner") or "sales",
        replace_by=str(entry.get("replace_by") or ""),
    )


def declared_all(entries: t.Iterable[t.Mapping[str, t.Any]], timezone: str) -> list[LicenceFile]:
    """All entries; where several have the same id, the later ones get a number."""
    files: dict[str, LicenceFile] = {}
    for entry in entries:
        file, number = declared(entry, timezone), 1
        name = file.id
        while name in files:
            number += 1
            name = f"{file.id}.{number}"
        files[name] = dataclasses.replace(file, id=name)
    return list(files.values())


def signed_as(entry: t.Mapping[str, t.Any], proof: bytes | None) -> signed.Signed:
    """How a file is signed, by its option `signed`. Raises BoxliftError."""
    return signed.Signed(
        method=entry["method"],
        key=brought(entry.get("verify_with") or ""),
        layout=entry.get("layout") or "detached",
        proof=proof,
        envelope=entry.get("envelope") or "json",
        payload_field=entry.get("payload_field") or "payload",
        proof_field=entry.get("proof_field") or "signature",
        payload_base64=entry.get("payload_base64") is not False,
        marker=entry.get("marker") or "",
    )


def brought(text: str) -> bytes:
    """The bytes of a file that the action has brought. Raises BoxliftError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BoxliftError("What was brought of a licence file is no Base64.", "Let the action bring it.") from error
