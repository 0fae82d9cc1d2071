# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the settings of two portals. Secrets never leave their host, only a keyed hash (seal) of each."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.info import disk_modules
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import to_python
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import MASK, is_secret, redact
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

#: Area -> name -> value as text.
Snapshot = dict[str, dict[str, str]]
# Prints PHP's settings as JSON: those of the command line, which the role web sets like those of the pages.
PHP_PROGRAM = (
    'echo json_encode(["version" => PHP_VERSION, "extensions" => get_loaded_extensions(), '
    '"ini" => ini_get_all(null, false)], JSON_INVALID_UTF8_SUBSTITUTE);'
)
# MariaDB variables that differ between any two servers, or from one minute to the next.
_VOLATILE = re.compile(
    r"hostname|pid_file|server_id|server_uid|gtid_.*|timestamp|rand_seed.|last_.*|identity|error_count|warning_count"
    r"|pseudo_thread_id|in_transaction|insert_id|external_user|proxy_user|log_bin_basename|general_log_file"
    r"|slow_query_log_file|skip_replication|wsrep_.*",
)
_STRUCTURE = re.compile(r"\s*(?:a:\d+:|O:\d+:|[\[{])")
_CELL = 120


@dataclasses.dataclass(frozen=True)
class Difference:
    """One setting that differs; None where that side does not have it."""

    area: str
    name: str
    left: str | None
    right: str | None


class Seal:
    """Makes secrets comparable without showing them. The salt belongs to one run, so a seal cannot be looked up."""

    def __init__(self, salt: str) -> None:
        if len(salt) < 16:
            raise BoxliftError("salt is shorter than 16 characters.", "Give random text, the same for both portals.")
        self._salt = salt.encode()

    def text(self, name: str, value: t.Any) -> str:
        """The value as text, or a mask with its seal where it is secret."""
        plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
        hidden = is_secret(name) or (_STRUCTURE.match(plain) is not None and is_secret(plain))
        if (not hidden or value in (None, "", True, False)) and redact(plain) == plain:
            return plain
        digest = hmac.new(self._salt, f"{name}\0{plain}".encode("utf-8", "surrogateescape"), hashlib.sha256)
        shown = MASK if hidden else str(redact(plain))
        return f"{shown} #{digest.hexdigest()[:12]}"


def snapshot(files: PortalFiles, conn: Connection[t.Any], php: str, salt: str) -> Snapshot:
    """All settings of a portal; `php` is the output of PHP_PROGRAM. Raises BoxliftError."""
    seal = Seal(salt)
    found: dict[str, dict[str, t.Any]] = {
        "option": _options(conn),
        "site option": _site_options(conn),
        "site": _sites(conn),
        "settings": dict(_flat("", {name: to_python(value) for name, value in files.sections().items()})),
        "constant": {name: to_python(value) for name, value in files.dbconn().constants.items()},
        "module": disk_modules(files),
        "installed module": {row["ID"]: "Y" for row in rows(conn, "SELECT ID FROM b_module")},
        "php": _php(php),
        "mariadb": _variables(conn),
    }
    return {
        area: {name: seal.text(name, value) for name, value in sorted(items.items())} for area, items in found.items()
    }


def compare(left: Snapshot, right: Snapshot, ignore: t.Sequence[str] = ()) -> list[Difference]:
    """The differences by area and name; `ignore` are regular expressions searched in `area name`."""
    patterns = [_expression(text) for text in ignore]
    result = []
    for area in dict.fromkeys([*left, *right]):
        one, other = left.get(area, {}), right.get(area, {})
        for name in sorted({*one, *other}):
            if one.get(name) != other.get(name) and not any(each.search(f"{area} {name}") for each in patterns):
                result.append(Difference(area, name, one.get(name), other.get(name)))
    return result


def counts(left: Snapshot, right: Snapshot, differences: t.Sequence[Difference]) -> dict[str, dict[str, int]]:
    """For each area, the number of settings on either side, and of those that differ."""
    return {
        area: {
            "settings": len({*left.get(area, {}), *right.get(area, {})}),
            "different": sum(each.area == area for each in differences),
        }
        for area in dict.fromkeys([*left, *right])
    }


def markdown(
    names: tuple[str, str], differences: t.Sequence[Difference], counted: t.Mapping[str, t.Mapping[str, int]]
) -> str:
    """The comparison as a page for people."""
    left, right = map(_cell, names)
    lines = [f"# {left} and {right}: differences in settings", ""]
    lines += ["Equal secrets have the same number behind `#`; the number says nothing else.", ""]
    lines += ["| area | settings | different |", "| --- | ---: | ---: |"]
    lines += [f"| {area} | {each['settings']} | {each['different']} |" for area, each in counted.items()]
    for area in dict.fromkeys(each.area for each in differences):
        lines += ["", f"## {area}", "", f"| name | {left} | {right} |", "| --- | --- | --- |"]
        lines += [
            f"| {_cell(each.name)} | {_cell(each.left)} | {_cell(each.right)} |"
            for each in differences
            if each.area == area
        ]
    return "\n".join([*lines, ""])


def _cell(value: str | None) -> str:
    if value is None:
        return "*not set*"
    if value == "":
        return "*empty*"
    text = " ".join(value.split())
    text = text if len(text) <= _CELL else f"{text[:_CELL]} ... ({len(value)} characters)"
    for char in ("\\", "|", "`", "*", "_", "<"):
        text = text.replace(char, f"\\{char}")
    return text


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as problem:
        raise BoxliftError(f"ignore: {text!r} is no regular expression: {problem}.", "Correct it.") from problem


def _flat(prefix: str, value: t.Any) -> t.Iterator[tuple[str, t.Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, value


def _options(conn: Connection[t.Any]) -> dict[str, t.Any]:
    found = rows(conn, "SELECT MODULE_ID, NAME, VALUE FROM b_option")
    return {f"{row['MODULE_ID']}.{row['NAME'].lower()}": row["VALUE"] for row in found}


def _site_options(conn: Connection[t.Any]) -> dict[str, t.Any]:
    found = rows(conn, "SELECT MODULE_ID, NAME, SITE_ID, VALUE FROM b_option_site")
    return {f"{row['SITE_ID']}.{row['MODULE_ID']}.{row['NAME'].lower()}": row["VALUE"] for row in found}


def _sites(conn: Connection[t.Any]) -> dict[str, t.Any]:
    columns = ("ACTIVE", "DIR", "DOC_ROOT", "DOMAIN_LIMITED", "SERVER_NAME", "SITE_NAME", "EMAIL")
    found = rows(conn, f"SELECT LID, {', '.join(columns)} FROM b_lang")
    sites = {f"{row['LID']}.{column}": row[column] for row in found for column in columns}
    for row in rows(conn, "SELECT LID, GROUP_CONCAT(DOMAIN ORDER BY DOMAIN) AS d FROM b_lang_domain GROUP BY LID"):
        sites[f"{row['LID']}.domains"] = row["d"]
    return sites


def _variables(conn: Connection[t.Any]) -> dict[str, t.Any]:
    found = rows(conn, "SHOW GLOBAL VARIABLES")
    return {row["Variable_name"]: row["Value"] for row in found if not _VOLATILE.fullmatch(row["Variable_name"])}


def _php(text: str) -> dict[str, t.Any]:
    try:
        answer = json.loads(text)
        ini, extensions, version = answer["ini"], answer["extensions"], answer["version"]
    except (ValueError, KeyError, TypeError) as problem:
        raise BoxliftError(
            f"PHP did not say how it is set up, but {text[:200]!r}.", "Run php -m on the host and correct what it says."
        ) from problem
    found = {name: "" if value is None else value for name, value in ini.items()}
    return {"PHP_VERSION": version, **{f"extension {name}": "loaded" for name in extensions}, **found}
