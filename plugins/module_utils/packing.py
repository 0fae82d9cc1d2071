# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program as one file: a zip that Python runs, made of the modules of this collection that it imports.

A module of the collection carries the library to the host anyway, so the same source is tested, documented and run.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import zipfile

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

INTERPRETER = "/usr/bin/python3"
_ROOT = "ansible_collections.boxlift.portal.plugins.module_utils"
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the same sources always give the same bytes


def packed(command: str, interpreter: str = INTERPRETER) -> bytes:
    """The program whose `main` this module has, by its full name; all of it but what Debian packages.

    The modules must be at hand: whoever asks imports the command.
    """
    files = {"__main__.py": f"import sys\n\nfrom {command} import main\n\nsys.exit(main())\n"}
    for name, source in _needed(command).items():
        files[name.replace(".", "/") + ".py"] = source
        parents = name.split(".")[:-1]
        for length in range(1, len(parents) + 1):
            files.setdefault("/".join([*parents[:length], "__init__.py"]), "")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            archive.writestr(zipfile.ZipInfo(path, _OLDEST), files[path], zipfile.ZIP_DEFLATED)
    return f"#!{interpreter}\n".encode() + buffer.getvalue()


def _needed(name: str) -> dict[str, str]:
    """The module, and whatever of the collection it imports, directly or through others: names and sources."""
    found: dict[str, str] = {}
    pending = [name]
    while pending:
        each = pending.pop()
        if each in found or (source := _source(each)) is None:
            continue
        found[each] = source
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_ROOT):
                # What is imported may be a module itself, or stand in one.
                pending += [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
    return found


def _source(name: str) -> str | None:
    """The text of a module; None for what is a folder, or no module at all."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # within a module, which is no folder
        return None
    if spec is None or spec.submodule_search_locations is not None:
        return None
    get_source = getattr(spec.loader, "get_source", None)
    source = get_source(name) if get_source is not None else None
    if source is None:
        raise BoxliftError(f"The source of {name} is not at hand.", "Install the collection from its tarball again.")
    return str(source)
