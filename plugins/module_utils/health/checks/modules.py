# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules: those on the disk compared with those registered in the database."""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.info import disk_modules

_INSTALLED = "SELECT ID FROM b_module"


@check(
    "modules.on_disk",
    why="A module that the database calls installed and whose files are missing breaks every page that uses it.",
    expected="every module of b_module has its folder in bitrix/modules",
    remedy="Bring the files with the portal's update system, or unregister the module. A row bitrix24 without files "
    "is left from the cloud: remove it.",
    blocks="some",
    needs=("database.reachable", "settings.readable"),
)
def modules_on_disk(context: Context) -> Verdict:
    installed = sorted(row["ID"] for row in context.query(_INSTALLED))
    if "main" not in installed:
        raise CannotLook("b_module does not even name the module main")
    folders = context.files.root / "bitrix" / "modules"
    local = context.files.root / "local" / "modules"
    missing = [name for name in installed if not (folders / name).is_dir() and not (local / name).is_dir()]
    if "bitrix24" in missing:
        return failed(f"a hybrid of cloud and box: module bitrix24 is registered, but not there ({some(missing)})")
    if missing:
        return failed(f"{len(missing)} of {len(installed)} are not on the disk: {some(missing)}")
    return passed(f"{len(installed)} modules, all on the disk")


@check(
    "modules.versions",
    why="The dump belongs to the versions of the backup; other files do not understand its tables.",
    expected="main and every installed module state a version",
    remedy="Restore the files again from the same backup as the database.",
    blocks="some",
    needs=("database.reachable", "settings.readable"),
)
def modules_versions(context: Context) -> Verdict:
    versions = disk_modules(context.files)
    bare = [row["ID"] for row in context.query(_INSTALLED) if not versions.get(row["ID"])]
    bare = [name for name in bare if not (context.files.root / "local" / "modules" / name).is_dir()]
    if "main" in bare:
        return failed("main states no version")
    return warned(f"no version: {some(bare)}") if bare else passed(f"main {versions['main']}")


@check(
    "modules.orphans",
    why="Agents and handlers of modules that are not installed fail at every run.",
    expected="every agent and every event handler belongs to an installed module",
    remedy="Delete the rows named here, or install the module.",
    blocks="nobody",
    needs=("database.reachable",),
)
def modules_orphans(context: Context) -> Verdict:
    orphans = []
    for table, column in (("b_agent", "MODULE_ID"), ("b_module_to_module", "TO_MODULE_ID")):
        found = context.query(
            f"SELECT x.{column} AS module, COUNT(*) AS n FROM {table} x LEFT JOIN b_module m ON m.ID = x.{column}"
            f" WHERE m.ID IS NULL AND COALESCE(x.{column}, '') <> '' GROUP BY x.{column} ORDER BY x.{column}"
        )
        orphans += [f"{row['n']} of {row['module']} in {table}" for row in found]
    return warned(some(orphans)) if orphans else passed("none")


@check(
    "modules.handlers",
    why="A handler whose file is missing fails at every event that it waits for.",
    expected="every file that an event handler names is there",
    remedy="Restore the file, or delete the handler's row from b_module_to_module.",
    blocks="some",
    needs=("database.reachable", "settings.readable"),
)
def modules_handlers(context: Context) -> Verdict:
    root = context.files.root
    paths = sorted(
        row["p"]
        for row in context.query(
            "SELECT DISTINCT TO_PATH AS p FROM b_module_to_module WHERE COALESCE(TO_PATH, '') <> ''"
        )
    )
    places = (root / "bitrix", root)  # bitrix/ first, as the portal does
    missing = [path for path in paths if not any((place / path.lstrip("/")).is_file() for place in places)]
    return warned(f"{len(missing)}: {some(missing)}") if missing else passed(f"{len(paths)} files")


@check(
    "modules.as_before",
    why="A module older than the one that wrote the data shows only part of it, or none.",
    expected="every module of the baseline is here, in the same version or a later one",
    remedy="Bring the files of the backup, or update the modules, before people work with them.",
    blocks="some",
    needs=("settings.readable",),
)
def modules_as_before(context: Context) -> Verdict:
    now = disk_modules(context.files)
    before = {name: str(version) for name, version in context.need_baseline("modules").items() if version}
    gone = [name for name in before if not now.get(name)]
    older = [name for name in before if now.get(name) and _number(str(now[name])) < _number(before[name])]
    wrong = [f"{name} is gone (was {before[name]})" for name in gone]
    wrong += [f"{name} {now[name]} (was {before[name]})" for name in older]
    stated = f"{len(before)} modules, main {before.get('main', 'unknown')}"
    if wrong:
        return Verdict("fail" if "main" in (*gone, *older) else "warn", some(wrong), before=stated)
    return Verdict("pass", f"{len(now)} modules, main {now.get('main')}", before=stated)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
