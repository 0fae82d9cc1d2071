#!/usr/bin/env python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory of a Molecule scenario: containers and a network of its own, so that scenarios may run side by side.

A program and not a YAML file, because testinfra reads host variables without evaluating templates.
A scenario that needs other hosts than box12 and box13 says so in its molecule.yml: `ansible: {env: {LAB_HOSTS: …}}`.
LAB_PREPRODUCTION names the boxes that are copies of the others, LAB_DATABASE those that have database and cache for
them, LAB_CACHE those that have the cache instead; where none is set, every box is a whole site of its own. LAB_BALANCER
names those that stand before the web hosts, which then share a volume of the engine, or what LAB_STORAGE keeps.
LAB_PROVISIONED names the boxes that start from the image that the scenario provision has made (provisioned.py) instead
of from a virgin Debian.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from provisioned import tag

# One connection a host, for Ansible and testinfra: `docker exec` would cost the engine a third of a second a task.
SSH = (
    "-o ControlMaster=auto -o ControlPersist=60s -o ControlPath={ssh}/%h -o UserKnownHostsFile={ssh}/known_hosts"
    " -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
)
RELEASES = {
    "box12": "12",
    "box13": "13",
    "boxcopy": "12",
    "boxdb1": "12",
    "boxdb2": "12",
    # One of each release.
    "boxlb1": "13",
    "boxlb2": "12",
    "boxweb2": "12",
    "cloud": "12",
    "pbx": "pbx",
    "desk": "12",
    "keeper": "12",
}


def inventory(
    scenario: str,
    hosts: list[str],
    scenarios: list[str],
    copies: list[str],
    databases: list[str],
    caches: list[str],
    balancers: list[str],
    storage: list[str],
    provisioned: list[str],
    ssh: Path,
) -> dict[str, object]:
    """Describe the hosts of one scenario as `ansible-inventory --list` does."""
    network = f"198.19.{scenarios.index(scenario)}"
    names = {name: f"{network}.{10 + number}" for number, name in enumerate(hosts)}
    names.update({f"{name}.boxlift.test": address for name, address in names.items()})
    hostvars = {
        name: {
            "ansible_host": names[name],
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(ssh / "id_ed25519"),
            "ansible_ssh_common_args": SSH.format(ssh=ssh),
            "lab_ssh": str(ssh),
            "lab_container": f"boxlift-{scenario}-{name}",
            "lab_release": RELEASES[name],
            "lab_image": tag(RELEASES[name]) if name in provisioned else f"boxlift-lab:debian{RELEASES[name]}",
            # What provision keeps its boxes as; it says so on the container from the beginning.
            "lab_provisioned": tag(RELEASES[name]),
            "lab_labels": {"boxlift.lab.provisioned": tag(RELEASES[name])},
            "lab_network": f"boxlift-{scenario}",
            "lab_subnet": f"{network}.0/24",
            "lab_names": names,
        }
        for name in hosts
    }
    boxes = [name for name in hosts if name.startswith("box")]
    webs = [name for name in boxes if name not in databases + balancers]
    for name in webs if balancers else ():
        if storage:
            # GlusterFS's client is a program, which the kernel asks for files by this.
            hostvars[name]["lab_devices"] = ["/dev/fuse:/dev/fuse:rwm"]
        else:
            hostvars[name]["lab_share"] = f"boxlift-{scenario}-share"
    return {
        "_meta": {"hostvars": hostvars},
        "lab": {"hosts": hosts},
        "boxes": {"hosts": boxes},
        "production": {"hosts": [name for name in boxes if name not in copies]},
        "preproduction": {"hosts": copies},
        "provisioned": {"hosts": provisioned},
        "backup_repository": {"hosts": [name for name in hosts if name == "keeper"]},
        "telephony": {"hosts": [name for name in hosts if name == "pbx"]},
        "web": {"hosts": webs},
        **({"balancer": {"hosts": balancers}} if balancers else {}),
        **({"storage": {"hosts": storage}} if storage else {}),
        "database": {"hosts": databases or boxes},
        "cache": {"hosts": caches or databases or boxes},
    }


def main() -> None:
    """Print the inventory of the scenario that Molecule runs."""
    folders = Path(__file__).resolve().parent.parent.glob("*/molecule.yml")
    scenarios = sorted(folder.parent.name for folder in folders)
    scenario = os.environ.get("MOLECULE_SCENARIO_NAME", "default")
    hosts = os.environ.get("LAB_HOSTS", "box12 box13").split()
    copies = os.environ.get("LAB_PREPRODUCTION", "").split()
    databases = os.environ.get("LAB_DATABASE", "").split()
    caches = os.environ.get("LAB_CACHE", "").split()
    balancers = os.environ.get("LAB_BALANCER", "").split()
    storage = os.environ.get("LAB_STORAGE", "").split()
    provisioned = os.environ.get("LAB_PROVISIONED", "").split()
    ssh = Path(os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY", "/nonexistent"), "ssh")
    described = inventory(scenario, hosts, scenarios, copies, databases, caches, balancers, storage, provisioned, ssh)
    print(json.dumps(described))


if __name__ == "__main__":
    main()
