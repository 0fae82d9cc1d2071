# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in the clear gets into a bundle, and the message does not show it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import roles, site_files

CANARY = "Canary-4711"
VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n3762\n"
REFUSED = {
    "vars.yml": f"a: 1\nsite_database_password: {CANARY}\n",
    "nested.yml": f"- hosts: all\n  vars: {{portal_mail_password: '{CANARY}'}}\n",
    "below.yml": f"application_secrets:\n  - first: {CANARY}\n",
    "mapping.yml": f"passwords: {{alice: {CANARY}}}\n",
    "number.yml": "site_pin_password: 4711\n",
    "block.yml": f"ami_password: |\n  {CANARY}\n",
    "second.yml": f"a: 1\n---\nwebhook: https://portal.example/rest/1/{CANARY}/\n",
    "data.json": f'{{"api_key": "{CANARY}"}}',
    "hosts": f"[web]\nweb1 ansible_host=10.0.0.1 ansible_password={CANARY}\n",
    "hosts.ini": f"[all:vars]\nansible_become_password = '{CANARY}'\n",
    "extension.txt": f"token = {CANARY}\n",
    "key.pem": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n",
    "id_ed25519": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n",
    "vault_password": f"{CANARY}\n",
    "vault-pass.txt": f"{CANARY}\n",
    "notes.yml": "remember: the vault opens by Open-Sesame\n",
    "undecodable.yml": "a: \udcff\n",
    "broken.yml": "a: [\n",
}
TAKEN = {
    "group_vars/all/vault.yml": VAULTED,
    "vault_pass": VAULTED,
    "one.yml": "site_database_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3762\n",
    "reference.yml": 'site_database_password: "{{ vault_database_password }}"\n',
    "empty.yml": 'site_push_key: ""\nother_password:\nno_password: false\n',
    "paths.yml": "certificate_key_file: files/key.pem\nlicence_files: [a.lic]\n",
    "public.yml": "key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 comment\n",
    "hosts": "[web]\nweb1 ansible_host=10.0.0.1 ansible_password='{{ vault_ssh }}'\n# ansible_password=old\n",
    "list.yml": "- 1\n- two\n",
    "text": "plain\n",
    "void.yml": "---\n",
}


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return folder


@pytest.mark.parametrize("name", REFUSED)
def test_a_secret_is_refused_and_not_shown(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path / "inventory", {name: REFUSED[name]})
    with pytest.raises(BoxliftError) as caught:
        site_files.bring(folder, tmp_path / "made", [b"Open-Sesame"], strictly=True)
    text = str(caught.value.as_result())
    assert str(folder / name) in text
    assert CANARY not in text and "Open-Sesame" not in text and "4711" not in text
    assert not (tmp_path / "made" / name).exists()


def test_the_line_and_the_name_are_said(tmp_path: Path) -> None:
    folder = put(tmp_path / "inventory", {"vars.yml": REFUSED["vars.yml"]})
    with pytest.raises(BoxliftError, match=r"vars\.yml:2: site_database_password is a secret by its name"):
        site_files.bring(folder, tmp_path / "made", [], strictly=True)


def test_what_is_encrypted_or_none_is_taken(tmp_path: Path) -> None:
    folder = put(tmp_path / "inventory", TAKEN)
    assert site_files.bring(folder, tmp_path / "made", [b"Open-Sesame"], strictly=True) == []
    made = {path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*") if path.is_file()}
    assert made == set(TAKEN)


@pytest.mark.parametrize("folder", ["inventories/example", "inventories/lab"])
def test_our_own_inventories_are_taken(tmp_path: Path, folder: str) -> None:
    site_files.bring(roles.ROLES.parent / folder, tmp_path / "made", [], strictly=True)


def test_the_usual_plan_is_taken_as_a_plan(tmp_path: Path) -> None:
    usual = roles.ROLES.parent / "plugins/plugin_utils/plan/default.yml"
    plan = put(tmp_path / "inventory", {"migration_plan.yml": usual.read_text()}) / "migration_plan.yml"
    site_files.bring(plan, tmp_path / "plan", [], strictly=False)
    site_files.bring(plan.parent, tmp_path / "made", [], strictly=True, plan=plan)
    with pytest.raises(BoxliftError):
        site_files.bring(plan, tmp_path / "plan", [], strictly=True)


def test_pages_for_the_supervisor_are_kept_back(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "manual", {"manual.html": "m", "codes.html": CANARY, "sub/envelopes.html": CANARY, "mig": "#"}
    )
    kept = site_files.bring(folder, tmp_path / "made", [], strictly=False)
    assert kept == ["codes.html", "sub/envelopes.html"]
    assert sorted(path.name for path in (tmp_path / "made").rglob("*")) == ["manual.html", "mig"]


def test_a_manual_may_hold_pictures_and_no_private_key(tmp_path: Path) -> None:
    folder = put(tmp_path / "manual", {"a.png": "\udcff\udcfe"})
    site_files.bring(folder, tmp_path / "made", [], strictly=False)
    put(folder, {"key": "-----BEGIN RSA PRIVATE KEY-----\n"})
    with pytest.raises(BoxliftError, match="holds a private key"):
        site_files.bring(folder, tmp_path / "made", [], strictly=False)


def test_hidden_files_and_links(tmp_path: Path) -> None:
    folder = put(tmp_path / "inventory", {".git/config": CANARY, ".vault_pass": CANARY, "hosts.retry": "web1\n"})
    (tmp_path / "shared.yml").write_text("a: 1\n")
    (folder / "linked.yml").symlink_to("../shared.yml")
    site_files.bring(folder, tmp_path / "made", [], strictly=True)
    assert {path.name: path.is_symlink() for path in (tmp_path / "made").iterdir()} == {"linked.yml": False}
    (folder / "folder").symlink_to("/etc")
    with pytest.raises(BoxliftError, match="link to a folder"):
        site_files.bring(folder, tmp_path / "made", [], strictly=True)
    (folder / "folder").unlink()
    (folder / "dangling").symlink_to("nowhere")
    with pytest.raises(BoxliftError, match="is no file"):
        site_files.bring(folder, tmp_path / "made", [], strictly=True)
    with pytest.raises(BoxliftError, match="There is no"):
        site_files.bring(tmp_path / "nowhere", tmp_path / "made", [], strictly=True)
