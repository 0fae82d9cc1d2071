# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of OpenSSH keys over a statement (`ssh-keygen -Y`), which need no network and no further program."""

from __future__ import annotations

import pathlib
import subprocess
import tempfile

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import NAMESPACE
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Person


def command(key: str, file: str) -> str:
    """What the signer types where his key is; it writes `file`.sig."""
    return f"ssh-keygen -Y sign -n {NAMESPACE} -f {key} {file}"


def verify(person: Person, text: str, signature: str) -> bool:
    """Whether the signature is one of the person's key over the text. Raises BoxliftError if there is no ssh-keygen."""
    with tempfile.TemporaryDirectory() as folder:
        signers, signed = pathlib.Path(folder, "signers"), pathlib.Path(folder, "signature")
        signers.write_text(f'{person.id} namespaces="{NAMESPACE}" {person.key}\n', encoding="utf-8")
        signed.write_text(signature, encoding="utf-8")
        argv = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", person.id, "-n", NAMESPACE, "-s", str(signed)]
        try:
            said = subprocess.run(argv, input=text.encode(), capture_output=True, check=False)
        except FileNotFoundError:
            raise BoxliftError(
                "There is no ssh-keygen on this machine, so no signature can be verified.",
                "Install OpenSSH's client, 8.2 or newer, or sign with a code.",
            ) from None
    return said.returncode == 0
