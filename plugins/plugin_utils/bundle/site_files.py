# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's own files in a bundle: inventory, plan and manual. What holds a secret in the clear is refused.

A bundle crosses hands and media, so that every password in it must be encrypted with ansible-vault; and the password
of the vault comes another way.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.secret_names import is_secret_name

#: Pages of the manual that the supervisor keeps, or that lie in sealed envelopes.
KEPT_BACK = ("codes.html", "envelopes.html")
_VAULT = b"$ANSIBLE_VAULT;"
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_PASSWORD_FILE = re.compile(r"vault[-_.]?(pass|key|secret)", re.IGNORECASE)
_PUBLIC_KEY = re.compile(r"(ssh-|ecdsa-|sk-ssh-|sk-ecdsa-)\S+ AAAA")
# name=value of an inventory in INI format.
_SETTING = re.compile(r"""(?<![\w.-])([A-Za-z_][\w.-]*)\s*=\s*("[^"]*"|'[^']*'|[^\s#;]+)""")
_YAML = (".yml", ".yaml", ".json", "")


def files_below(folder: pathlib.Path) -> t.Iterator[tuple[str, pathlib.Path]]:
    """Relative path and place of every file; hidden ones are none of a site's data. A link to a file is followed."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or path.suffix == ".retry":
            continue
        if path.is_dir():
            if path.is_symlink():
                raise BoxliftError(f"{path} is a link to a folder.", "Put the folder itself in its place.")
        elif path.is_file():
            yield relative.as_posix(), path
        else:
            raise BoxliftError(f"{path} is no file.", "Remove it, or put what it should lead to in its place.")


def bring(
    source: pathlib.Path,
    dest: pathlib.Path,
    never: t.Sequence[bytes],
    strictly: bool,
    plan: pathlib.Path | None = None,
) -> list[str]:
    """Copy a folder, or one file; the names that were kept back. Raises BoxliftError for a secret.

    `never` are texts that no file may hold, such as the vault's own passwords. `strictly` also looks for variables
    whose names say that they are secret; the `plan` has none, but ids of things to be ordered, such as licence.
    """
    if not source.exists():
        raise BoxliftError(f"There is no {source}.", "Correct the path.")
    files = [(source.name, source)] if source.is_file() else list(files_below(source))
    kept_back = []
    for relative, path in files:
        if path.name in KEPT_BACK:
            kept_back.append(relative)
            continue
        content = path.read_bytes()
        refuse_secrets(path, content, never, strictly and not (plan and path.samefile(plan)))
        place = dest / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return kept_back


def refuse_secrets(path: pathlib.Path, content: bytes, never: t.Sequence[bytes], strictly: bool) -> None:
    """Raises BoxliftError for the first secret that stands in the file in the clear, without showing it."""
    remedy = "Encrypt it with ansible-vault, or keep it out of the folder."
    if content.startswith(_VAULT):
        return
    if any(each in content for each in never if len(each) >= 4):
        raise BoxliftError(f"{path} holds a password of the vault.", "Keep it out of the folder, and bring it apart.")
    if _PASSWORD_FILE.search(path.stem) and not path.suffix.endswith("example"):
        raise BoxliftError(f"{path} is in the clear, and by its name it is the vault's or its password.", remedy)
    if _PRIVATE_KEY.search(content):
        raise BoxliftError(f"{path} holds a private key.", remedy)
    if not strictly:
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BoxliftError(f"{path} is no text, so that nobody can say what is in it.", remedy) from error
    found = _in_yaml(path, text) if path.suffix in _YAML else None
    if found is None:
        found = _in_settings(text)
    for line, name in found:
        raise BoxliftError(f"{path}:{line}: {name} is a secret by its name, and stands there in the clear.", remedy)


def _in_yaml(path: pathlib.Path, text: str) -> list[tuple[int, str]] | None:
    """Line and name of each secret; None for what is not YAML, such as an inventory in INI format."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        if path.suffix:
            raise BoxliftError(f"{path} cannot be read: {error}.", "Correct it.") from error
        return None
    if not any(isinstance(document, yaml.CollectionNode) for document in documents):
        return None
    found: list[tuple[int, str]] = []
    pending: list[tuple[yaml.Node, str]] = [(document, "") for document in documents if document is not None]
    while pending:
        node, name = pending.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                # What lies below a secret name is secret too, whatever it is called.
                own = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
                pending.append((value, own if is_secret_name(own) else name))
        elif isinstance(node, yaml.SequenceNode):
            pending += [(each, name) for each in node.value]
        elif name and isinstance(node, yaml.ScalarNode) and _tells(node):
            found.append((node.start_mark.line + 1, name))
    return sorted(found)


def _tells(node: yaml.ScalarNode) -> bool:
    """Whether a value under a secret name is one: neither encrypted, nor empty, nor taken from elsewhere."""
    if node.tag == "!vault" or node.tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"):
        return False
    return is_clear(str(node.value))


def is_clear(value: str) -> bool:
    """Whether a text under a secret name may be the secret itself."""
    text = value.strip()
    return bool(text) and "{{" not in text and not text.startswith("$ANSIBLE_VAULT;") and not _PUBLIC_KEY.match(text)


def _in_settings(text: str) -> list[tuple[int, str]]:
    return [
        (number, name)
        for number, line in enumerate(text.splitlines(), 1)
        if not line.lstrip().startswith(("#", ";"))
        for name, value in _SETTING.findall(line)
        if is_secret_name(name) and is_clear(value.strip("\"'"))
    ]
