# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of a fleet, and what lies ready for execution environments, AWX and Semaphore: it fits the collection."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.plugin_utils.fleet.site import site

ROOT = Path(__file__).resolve().parents[3]
FLEET, CONTRIB = ROOT / "inventories/fleet", ROOT / "contrib"
SITES = sorted(path.name for path in (FLEET / "sites").iterdir())
UPPER = [FLEET / "defaults", *sorted((FLEET / "customers").iterdir())]


class Loader(yaml.SafeLoader):
    """Texts that Ansible must not template are texts."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(t.cast(yaml.ScalarNode, node)))


def read(path: Path) -> t.Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def about(playbook: str) -> str:
    """The text of a playbook of ours, of what it imports, and of the roles that it uses."""
    found: dict[Path, str] = {}
    waiting = [ROOT / f"playbooks/{playbook}.yml"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            text = found[path] = path.read_text(encoding="utf-8")
            waiting += [
                ROOT / f"playbooks/{one}.yml" for one in re.findall(r"import_playbook: boxlift\.portal\.(\w+)", text)
            ]
            waiting += [
                path.parent / one for one in re.findall(r"(?:import_playbook|include_tasks): (steps/\S+)", text)
            ]
            for role in set(re.findall(r"boxlift\.portal\.(\w+)\b", text)):
                waiting += [one for one in (ROOT / "roles" / role).rglob("*.yml") if "meta" not in one.parts]
    return "\n".join(found.values())


def choices_of(variable: str) -> list[str] | None:
    """What the argument specification of a role lets a variable be."""
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in read(path)["argument_specs"].values():
            if variable in entry.get("options", {}):
                return t.cast("list[str] | None", entry["options"][variable].get("choices"))
    return None


# -- the example


def test_the_list_of_sites_is_that_of_the_folders() -> None:
    named = re.findall(r"^ +([\w-]+):$", (FLEET / "fleet.yml").read_text(), re.MULTILINE)
    assert sorted(set(named) & set(SITES)) == SITES == sorted(set(named) - {"children", "hosts", "example_group"})


@pytest.mark.parametrize("name", SITES)
def test_a_site_has_its_own_vault_and_journal(name: str) -> None:
    found = site(str(FLEET / "sites" / name))
    assert found.journal == str(FLEET / "sites" / name / "journal/move.jsonl")
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(found.configuration)
    assert parser["defaults"]["vault_identity_list"] == f"{name}@~/.boxlift/vault/{name}"
    layers = [(FLEET / "sites" / name / part).resolve() for part in parser["defaults"]["inventory"].split(",")]
    assert [path.is_file() for path in layers] == [True] * 3
    assert layers[0] == FLEET / "defaults/hosts.yml" and layers[2].parent.name == name
    used = set(re.findall(r"vault_\w+", (FLEET / "sites" / name / "group_vars/all/main.yml").read_text()))
    assert used == set(read(FLEET / "sites" / name / "group_vars/all/vault.yml.example"))


@pytest.mark.parametrize("layer", UPPER, ids=lambda path: path.name)
def test_an_upper_layer_has_no_host_and_speaks_to_all_alone(layer: Path) -> None:
    assert "hosts:" not in (layer / "hosts.yml").read_text()
    assert [path.name for path in (layer / "group_vars").iterdir()] == ["all"]
    assert not (layer / "host_vars").exists()


def test_what_comes_later_wins(tmp_path: Path) -> None:
    (tmp_path / ".boxlift/vault").mkdir(parents=True)
    (tmp_path / ".boxlift/vault/example-prague").write_text("any")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "BOXLIFT_"))}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-inventory")), "--list"],
        cwd=FLEET / "sites/example-prague",
        env={
            **clean,
            "HOME": str(tmp_path),
            "ANSIBLE_HOME": str(tmp_path),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    host = json.loads(done.stdout)["_meta"]["hostvars"]["prague-portal"]
    assert (host["ansible_user"], host["backup_keep_daily"]) == ("admin", 7)  # the house
    assert (host["backup_time"], host["site_customer_class"]) == ("03:00", "vip")  # the customer
    assert (host["site_timezone"], host["site_domain"]) == ("Europe/Prague", "prague.portal.example.com")  # the site


@pytest.mark.parametrize("path", sorted((FLEET / "playbooks").iterdir()), ids=lambda path: path.name)
def test_the_playbooks_for_platforms_import_ours(path: Path) -> None:
    (play,) = read(path)
    assert play["ansible.builtin.import_playbook"] == f"boxlift.portal.{path.stem}"
    assert (ROOT / f"playbooks/{path.stem}.yml").is_file()


@pytest.mark.parametrize("layer", [*UPPER, *(FLEET / "sites" / name for name in SITES)], ids=lambda path: path.name)
def test_the_variables_are_known(layer: Path) -> None:
    texts = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("playbooks", "roles", "plugins")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".yml", ".py", ".j2")
    )
    ours = [name for name in read(layer / "group_vars/all/main.yml") if not name.startswith("ansible_")]
    unknown = [name for name in ours if name != "site_files" and not re.search(rf"\b{name}\b", texts)]
    assert not unknown


# -- the execution environment

TEXTS = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
PACKAGE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["package_pip"],
    "properties": {"package_pip": {"type": "string"}},
}


def closed(**properties: t.Any) -> dict[str, t.Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


# Version 3 as ansible-builder documents it, as far as ours uses it; a key that is not here is refused.
ENVIRONMENT = {
    **closed(
        version={"const": 3},
        images=closed(base_image=closed(name={"type": "string"})),
        dependencies=closed(
            python_interpreter=closed(package_system={"type": "string"}, python_path={"type": "string"}),
            ansible_core=PACKAGE,
            ansible_runner=PACKAGE,
            galaxy={"type": "string"},
            python=TEXTS,
            system=TEXTS,
        ),
        additional_build_files={
            "type": "array",
            "items": {**closed(src={"type": "string"}, dest={"type": "string"}), "required": ["src", "dest"]},
        },
        additional_build_steps={
            "type": "object",
            "propertyNames": {"pattern": "^(pre|ap)pend_(base|galaxy|builder|final)$"},
            "additionalProperties": TEXTS,
        },
        options=closed(package_manager_path={"type": "string"}, tags={"type": "array", "items": {"type": "string"}}),
    ),
    "required": ["version", "images", "dependencies"],
}


def test_the_execution_environment_fits_its_schema() -> None:
    folder = CONTRIB / "execution-environment"
    wanted = read(folder / "execution-environment.yml")
    jsonschema.validate(wanted, ENVIRONMENT)
    jsonschema.validate(read(ROOT / "meta/execution-environment.yml"), {**ENVIRONMENT, "required": ["version"]})
    requirements = read(folder / wanted["dependencies"]["galaxy"])["collections"]
    (file,) = wanted["additional_build_files"]
    assert requirements[0] == {"name": f"{file['dest']}/{file['src']}", "type": "file"}
    assert {one["name"]: one["version"] for one in requirements[1:]} == read(ROOT / "galaxy.yml")["dependencies"]
    core = read(ROOT / "meta/runtime.yml")["requires_ansible"]
    assert core.removesuffix(".0") in wanted["dependencies"]["ansible_core"]["package_pip"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 1},
        {"options": {"package_manager": "/usr/bin/apt"}},
        {"dependencies": {"ansible_core": {"package_system": "ansible-core"}}},
        {"additional_build_steps": {"append_last": "RUN true"}},
    ],
)
def test_another_one_does_not(wrong: dict[str, t.Any]) -> None:
    right = read(CONTRIB / "execution-environment/execution-environment.yml")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**right, **wrong}, ENVIRONMENT)


# -- AWX and Semaphore

AWX = read(CONTRIB / "awx/job_templates.yml")["controller_templates"]
SEMAPHORE = json.loads((CONTRIB / "semaphore/project.json").read_text(encoding="utf-8"))
TEMPLATE_KEYS = {
    *("name", "description", "organization", "project", "playbook", "execution_environment", "job_type"),
    *("ask_inventory_on_launch", "ask_credential_on_launch", "ask_limit_on_launch", "ask_job_type_on_launch"),
    *("allow_simultaneous", "survey_enabled", "survey_spec"),
}


def survey_of_awx(template: dict[str, t.Any]) -> dict[str, list[str] | None]:
    spec = template.get("survey_spec", {}).get("spec", [])
    assert bool(spec) == bool(template.get("survey_enabled"))
    for one in spec:
        assert (one["type"], bool(one.get("choices"))) in (("text", False), ("multiplechoice", True))
        assert one["default"] in one.get("choices", [one["default"]])
    return {one["variable"]: one.get("choices") for one in spec}


def survey_of_semaphore(template: dict[str, t.Any]) -> dict[str, list[str] | None]:
    for one in template["survey_vars"]:
        assert (one["type"], "values" in one) in (("", False), ("enum", True))
    return {
        one["name"]: [value["value"] for value in one["values"]] if "values" in one else None
        for one in template["survey_vars"]
    }


@pytest.mark.parametrize("template", AWX, ids=lambda one: one["name"])
def test_a_job_template_of_awx(template: dict[str, t.Any]) -> None:
    assert set(template) <= TEMPLATE_KEYS
    fits(template["playbook"], survey_of_awx(template))
    assert template["project"] in [one["name"] for one in read(CONTRIB / "awx/sites.yml")["controller_projects"]]


@pytest.mark.parametrize("template", SEMAPHORE["templates"], ids=lambda one: one["name"])
def test_a_template_of_semaphore(template: dict[str, t.Any]) -> None:
    fits(template["playbook"], survey_of_semaphore(template))
    kinds = {"inventory": "inventories", "repository": "repositories", "environment": "environments"}
    for kind, all_of_them in kinds.items():
        assert template[kind] in [one["name"] for one in SEMAPHORE[all_of_them]]
    first = next(one["inventory"] for one in SEMAPHORE["inventories"] if one["name"] == template["inventory"])
    layers = [first, *(one for one in json.loads(template["arguments"]) if one != "-i")]
    assert [(FLEET / path).is_file() for path in layers] == [True] * 3
    assert layers[0].startswith("defaults/") and layers[2].startswith("sites/")


def fits(playbook: str, survey: dict[str, list[str] | None]) -> None:
    """The playbook is there, and it or a role of it knows each variable and each answer."""
    assert (FLEET / playbook).is_file()
    text = about(Path(playbook).stem)
    for variable, answers in survey.items():
        assert re.search(rf"\b{variable}\b", text), f"{playbook} knows no {variable}"
        known = choices_of(variable)
        assert known is None or answers is None or set(answers) <= set(map(str, known))


def test_a_variable_that_the_playbook_does_not_know_is_found() -> None:
    with pytest.raises(AssertionError, match="knows no update_all"):
        fits("playbooks/update.yml", {"update_all": None})
    with pytest.raises(AssertionError):
        fits("playbooks/health.yml", {"health_fail_on": ["always"]})


def test_both_platforms_offer_the_same() -> None:
    ours = {Path(one["playbook"]).stem: survey_of_awx(one) for one in AWX}
    assert ours == {Path(one["playbook"]).stem: survey_of_semaphore(one) for one in SEMAPHORE["templates"]}
    assert set(ours) <= {path.stem for path in (FLEET / "playbooks").iterdir()}


def test_a_site_s_credential_gives_what_its_inventory_asks_for() -> None:
    (kind,) = read(CONTRIB / "awx/credential_types.yml")["controller_credential_types"]
    fields = {one["id"]: one for one in kind["inputs"]["fields"]}
    injected = {**kind["injectors"]["env"], **kind["injectors"]["extra_vars"]}
    assert {name for text in injected.values() for name in re.findall(r"{{ (\w+) }}", text)} == set(fields)
    asked = read(FLEET / "sites/example-berlin/group_vars/all/vault.yml.example")
    secrets = {name for name in injected if name.startswith("vault_")}
    assert secrets == set(asked)
    assert all(fields[injected[name].strip("{} ")]["secret"] for name in secrets)
    # The same places as in Semaphore.
    (environment,) = SEMAPHORE["environments"]
    places = {**json.loads(environment["json"]), **json.loads(environment["env"])}
    filled = {name: text.replace("{{ place }}", fields["place"]["default"]) for name, text in injected.items()}
    assert places == {
        name: text.replace("{{ site }}", "example-berlin") for name, text in filled.items() if name not in secrets
    }
    playbooks = "\n".join(path.read_text() for path in (ROOT / "playbooks").glob("*.yml"))
    assert all(re.search(rf"\b{name}\b", playbooks) for name in places if name.endswith(("directory", "dir")))
    inputs = read(CONTRIB / "awx/sites.yml")["controller_credentials"][0]["inputs"]
    assert set(inputs) == set(fields) - {"place"}


def test_the_layers_of_awx_are_in_order() -> None:
    sources = read(CONTRIB / "awx/sites.yml")["controller_inventory_sources"]
    assert [one["name"][0] for one in sources] == ["1", "2", "3"]
    assert [(FLEET / one["source_path"]).is_file() for one in sources] == [True] * 3
    assert not any(one["overwrite"] or one["overwrite_vars"] for one in sources)
