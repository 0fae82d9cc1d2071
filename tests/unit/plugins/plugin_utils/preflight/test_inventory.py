# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each variable of the inventory, right and wrong; what a host is asked in the end."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.plugin_utils.preflight.inventory import Hosts, Inventory, inspect

ONE_HOST = {"production": ["one"]}
SPLIT = {"production": ["w", "d"], "web": ["w"], "database": ["d"], "cache": ["d"]}
GOOD: dict[str, t.Any] = {
    "site_domain": "portal.example.com",
    "site_database_password": "canary-1",
    "certificate_file": "cert.pem",
    "certificate_key_file": "key.pem",
    "site_entitlements": [],
    "site_crm_cloud_webhook": "",
    "site_backup_password": "canary-backup-0123456789",
    "backup_offsite_repository": "s3:https://s3.example.com/portal",
}
CALLS = {"production": ["one", "pbx"], "web": ["one"], "database": ["one"], "cache": ["one"], "telephony": ["pbx"]}
TELEPHONY: dict[str, t.Any] = {
    **GOOD,
    "telephony_ami_events_password": "canary-4",
    "site_telephony_webhook": "https://portal.example.com/rest/1/canary5/",
    "site_telephony_fallback_user": 1,
}
APART: dict[str, t.Any] = {
    "site_database_host": "192.0.2.12",
    "site_database_restore_password": "canary-2",
    "site_cache_host": "192.0.2.12",
}


class Files(dict[str, t.Any]):
    """Variables, and a controller with two files."""

    def raw(self) -> t.Mapping[str, t.Any]:
        return self

    def is_file(self, path: str) -> bool:
        return path in ("cert.pem", "key.pem")

    def read(self, path: str) -> str:
        assert self.is_file(path)
        return f"content of {path}"


def inspected(groups: dict[str, list[str]] | None = None, host: str = "one", **variables: t.Any) -> Inventory:
    return inspect(Files(variables), Hosts(host, groups or ONE_HOST))


def failed(inventory: Inventory) -> dict[str, Finding]:
    return {finding.id: finding for finding in inventory.findings if finding.status == "fail"}


def test_a_good_inventory() -> None:
    found = inspected(**GOOD)
    assert failed(found) == {}
    assert len(found.findings) == 33
    assert {finding.status for finding in found.findings} == {"pass"}
    assert found.certificate == "provable"


def test_an_exchange() -> None:
    found = inspected(CALLS, "pbx", **TELEPHONY, telephony_package_files=["cert.pem"])
    assert {finding.status for finding in found.findings} == {"pass"}
    assert found.options["ports"] == [{"port": 5038, "holders": ["asterisk"]}]
    assert [finding for finding in inspected(CALLS, **GOOD).findings if "telephony" in finding.id] == []


KEEPER = {**ONE_HOST, "backup_repository": ["keeper"]}


@pytest.mark.parametrize(
    ("groups", "given", "status", "words"),
    [
        (KEEPER, {}, "warn", "no copies of the new portal are made"),
        (KEEPER, {"site_backup_password": ""}, "pass", "somebody else makes copies"),
        (KEEPER, {"site_backup_password": "x" * 20}, "pass", "does not end with its host"),
        (ONE_HOST, {"site_backup_password": "x" * 20}, "warn", "are lost with it"),
        ({**ONE_HOST, "backup_repository": ["one"]}, {"site_backup_password": "x" * 20}, "warn", "are lost with it"),
        (ONE_HOST, {"site_backup_password": "x" * 20, "backup_mount": "/mnt"}, "pass", "does not end with its host"),
        ({**ONE_HOST, "backup_repository": ["a", "b"]}, {"site_backup_password": "x" * 20}, "fail", "a, b"),
        (
            {**SPLIT, "backup_repository": ["k"]},
            {"site_backup_password": "x" * 20},
            "pass",
            "does not end with its host",
        ),
    ],
)
def test_the_portals_copies(groups: dict[str, list[str]], given: dict[str, str], status: str, words: str) -> None:
    site = {name: value for name, value in GOOD.items() if "backup" not in name}
    found = inspected(groups, "w" if groups["production"] == ["w", "d"] else "one", **site, **given)
    (told,) = [finding for finding in found.findings if finding.id == "inventory.backup"]
    assert (told.status, bool(told.remedy)) == (status, status != "pass")
    assert words in told.observed


@pytest.mark.parametrize("password", ["canary-too-short", " canary-0123456789-space", "canary-0123456789-umläut"])
def test_a_password_of_copies_that_nobody_could_type_is_refused(password: str) -> None:
    (told,) = failed(inspected(**{**GOOD, "site_backup_password": password})).values()
    assert told.id == "inventory.site_backup_password" and "canary" not in told.observed


@pytest.mark.parametrize(
    ("webhooks", "status", "words"),
    [
        ({}, "warn", "site_crm_cloud_webhook is not set"),
        ({"cloud": ""}, "pass", "nothing is to be carried over"),
        ({"cloud": "https://acme.example/rest/1/canary6/"}, "warn", "site_crm_box_webhook is not set"),
        ({"cloud": "https://acme.example/rest/1/canary6/", "box": "https://portal.example.com/rest/1/canary7/"}, "pass",
         "can be carried over"),
    ],
)  # fmt: skip
def test_the_webhooks_of_the_crm(webhooks: dict[str, str], status: str, words: str) -> None:
    given = {name: value for name, value in GOOD.items() if name != "site_crm_cloud_webhook"}
    found = inspected(**given, **{f"site_crm_{which}_webhook": value for which, value in webhooks.items()})
    (told,) = [finding for finding in found.findings if finding.id == "inventory.crm"]
    assert (told.status, bool(told.remedy)) == (status, status != "pass") and words in told.observed
    assert failed(found) == {} and "canary" not in str(found.findings)


@pytest.mark.parametrize("which", ["cloud", "box"])
def test_a_wrong_webhook_of_the_crm_is_refused_and_not_asked(which: str) -> None:
    name = f"site_crm_{which}_webhook"
    found = inspected(**{**GOOD, name: "http://acme.example/rest/1/canary6/"})
    assert list(failed(found)) == [f"inventory.{name}"] and "canary" not in str(found.findings)
    assert found.options[f"crm_{which}_webhook"] == ""


def test_an_exchange_before_the_portal_can_have_a_webhook() -> None:
    found = inspected(CALLS, "pbx", **GOOD, telephony_ami_events_password="canary-4").findings
    (doubt,) = [finding for finding in found if finding.status != "pass"]
    assert (doubt.status, doubt.id) == ("warn", "inventory.telephony") and "migrate leave" in doubt.observed


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("telephony_ami_events_password", ""),
        ("site_telephony_webhook", "http://portal.example.com/rest/1/canary5/"),
        ("site_telephony_webhook", "https://portal.example.com/rest/"),
        ("site_telephony_fallback_user", "Anna"),
        ("telephony_package_files", ["cert.pem", "lost.deb"]),
    ],
)
def test_a_wrong_variable_of_an_exchange(name: str, bad: t.Any) -> None:
    found = failed(inspected(CALLS, "pbx", **{**TELEPHONY, name: bad}))
    assert list(found) == [f"inventory.{name}"]
    assert "canary" not in str(found) and found[f"inventory.{name}"].remedy


def test_an_empty_inventory() -> None:
    found = failed(inspected())
    names = ("site_domain", "site_database_password", "certificate_file")
    assert list(found) == [f"inventory.{name}" for name in names]
    assert found["inventory.site_domain"].observed == "site_domain is not set"
    assert found["inventory.site_domain"].remedy == (
        "Set or correct site_domain in group_vars/all/main.yml of the inventory."
    )
    assert found["inventory.site_database_password"].remedy == (
        "Set or correct site_database_password in group_vars/all/vault.yml of the inventory,"
        " encrypted with ansible-vault."
    )


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("site_domain", "https://portal.example.com/", "portal.example.com"),
        ("site_domain", "192.0.2.1", "a-b.example.com"),
        ("site_domain", "portal", "xn--80ak.example.com"),
        ("site_domain", f"{'a' * 250}.com", f"{'a' * 240}.com"),
        ("site_database_password", " x", "x"),
        ("site_database_password", "x ", "a b"),
        ("site_database_host", "db.example.com", "localhost"),
        ("site_cache_host", "127.0.0.1", "192.0.2.12"),
        ("source_url", "http://cloud.example.com/b.enc.gz", "https://cloud.example.com/b.enc.gz?s=1"),
        ("source_path", "backup", "/var/backup"),
        ("source_ca_path", "absent.pem", "cert.pem"),
        ("database_name", "no-name", "a_1"),
        ("database_name", "a" * 65, "a" * 64),
        ("web_document_root", "/www", "/srv/www"),
        ("certificate_source", "letsencrypt", "files"),
        ("certificate_chain_file", "absent.pem", "cert.pem"),
        ("site_customer_class", "gold", "vip"),
        ("site_opened", "6.12.2026", "2026-12-06"),
        ("site_opened", "2026-13-01", "2026-01-31"),
    ],
)
def test_a_variable(name: str, bad: t.Any, good: t.Any) -> None:
    found = failed(inspected(**{**GOOD, name: bad}))
    assert list(found) == [f"inventory.{name}"]
    assert failed(inspected(**{**GOOD, name: good})) == {}


def test_what_is_seen_and_what_is_never_shown() -> None:
    found = failed(inspected(**{**GOOD, "site_domain": "x/", "source_url": "http://canary", "certificate_file": "no"}))
    assert [finding.observed for finding in found.values()] == [
        "site_domain is 'x/'",
        "source_url is wrong (not shown)",
        "certificate_file is 'no', and there is no such file",
    ]


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("acme", ["certificate_acme_terms_agreed"]),
        ("lab_ca", ["certificate_ca_file", "certificate_ca_key_file"]),
        ("csr", []),
    ],
)
def test_each_source_of_the_certificate_needs_its_own(source: str, needed: list[str]) -> None:
    given = {**GOOD, "certificate_file": "", "certificate_key_file": "", "certificate_source": source}
    assert list(failed(inspected(**given))) == [f"inventory.{name}" for name in needed]
    agreed = {"certificate_acme_terms_agreed": True, "certificate_ca_file": "cert.pem"}
    assert failed(inspected(**given, **agreed, certificate_ca_key_file="key.pem")) == {}
    refused = failed(inspected(**given, **{**agreed, "certificate_acme_terms_agreed": False}))
    assert ("inventory.certificate_acme_terms_agreed" in refused) == (source == "acme")


def test_hosts_apart_must_know_each_other() -> None:
    found = failed(inspected(SPLIT, "w", **GOOD))
    assert list(found) == [f"inventory.{name}" for name in APART]
    assert found["inventory.site_database_host"].expected == (
        "the IPv4 address of the database host (d) in the network that it shares with the web host (w);"
        " not needed where one host is both"
    )
    assert failed(inspected(SPLIT, "w", **GOOD, **APART)) == {}
    for name, loopback in (("site_database_host", "localhost"), ("site_cache_host", "127.0.0.1")):
        assert list(failed(inspected(SPLIT, "w", **{**GOOD, **APART, name: loopback}))) == [f"inventory.{name}"]


def test_three_cache_hosts_and_two() -> None:
    groups = {"production": ["w", "a", "b", "c"], "web": ["w"], "database": ["w"], "cache": ["a", "b", "c"]}
    found = failed(inspected(groups, "a", **GOOD))
    assert list(found) == ["inventory.site_cache_cluster_password"]
    good = {**GOOD, "site_cache_cluster_password": "canary0123456789canary01"}
    three = inspected(groups, "a", **good)
    assert failed(three) == {}
    assert [port["port"] for port in three.options["ports"]] == [6380, 6381, 26379]
    assert failed(inspected(groups, "a", **{**good, "site_cache_cluster_password": "canary"}))
    (two,) = failed(inspected({**groups, "cache": ["a", "b"]}, "a", **good)).values()
    assert two.observed == "production has 2 cache hosts (a, b)" and "of two hosts that is both" in two.remedy


def test_a_site_without_a_cache() -> None:
    groups = {"production": ["w"], "cache": []}
    assert failed(inspected(groups, "w", **GOOD)) == {}
    assert [port["port"] for port in inspected(groups, "w", **GOOD).options["ports"]] == [80, 443, 3306]


def test_a_database_that_somebody_else_runs() -> None:
    groups = {"production": ["w"], "database": []}
    needed = ("portal_database_host", "restore_database")
    assert list(failed(inspected(groups, "w", **GOOD))) == [f"inventory.{name}" for name in needed]
    given = {"portal_database_host": "db.example.com", "restore_database": {"host": "db.example.com"}}
    assert failed(inspected(groups, "w", **GOOD, **given)) == {}


def test_several_database_hosts_and_no_web_host() -> None:
    many = failed(inspected({"production": ["a", "b"], "web": ["a"]}, "a", **GOOD))["inventory.hosts"]
    assert many.observed == "production has 1 web hosts (a) and 2 database hosts (a, b)"
    assert many.remedy == "Leave one host of production in the group database of the inventory, or name two or three."
    none = failed(inspected({"production": ["a"], "web": [], "database": ["a", "elsewhere"]}, "a", **GOOD))
    assert none["inventory.hosts"].observed == "production has 0 web hosts (none) and 1 database hosts (a)"


SEVERAL = {"production": ["a", "b", "d"], "web": ["a", "b"], "database": ["d"], "cache": ["d"], "balancer": ["d"]}
SHARED: dict[str, t.Any] = {**GOOD, **APART, "storage_kind": "path"}


def test_several_web_hosts() -> None:
    assert failed(inspected(SEVERAL, "a", **SHARED)) == {}
    found = {finding.id: finding for finding in inspected(SEVERAL, "a", **SHARED).findings}
    assert found["inventory.web_hosts"].observed.startswith("production has 2 web hosts (a, b), and what several")
    assert found["inventory.storage"].status == "pass"
    # One host is asked nothing of all that.
    assert not {"inventory.web_hosts", "inventory.storage"} & {each.id for each in inspected(**GOOD).findings}


@pytest.mark.parametrize(
    ("groups", "variables", "lacks", "remedy"),
    [
        ({"balancer": []}, {}, "and no host in the group balancer", "Name one or two hosts of production in the group"),
        ({"balancer": ["elsewhere"]}, {}, "and no host in the group balancer", "Name one or two hosts"),
        ({}, {"storage_kind": ""}, "and no storage that they share", "Set storage_kind in group_vars/all/main.yml to"),
        (
            {},
            {"storage_kind": "tape"},
            "and no storage that they share",
            "to path, nfs or glusterfs (docs/scale-web.md)",
        ),
        ({}, {"storage_kind": "nfs"}, "and no storage_source", "server:/export"),
        ({}, {"storage_kind": "nfs", "storage_source": "nas"}, "and no storage_source", "server:/export"),
        ({}, {"storage_kind": "glusterfs"}, "and 0 hosts in the group storage", "Name 3 hosts of production in the"),
        ({"storage": ["a", "b"]}, {"storage_kind": "glusterfs"}, "and 2 hosts in the group storage", "of two, neither"),
        ({}, {"portal_cache_host": ""}, "each host would have sessions of its own", "Name a host in the group cache"),
        ({"cache": []}, {}, "each host would have sessions of its own", "Name a host in the group cache"),
        ({"web_lead": ["d"]}, {}, "and d in the group web_lead", "Leave one of the web hosts there"),
        ({"web_lead": ["a", "b"]}, {}, "and a, b in the group web_lead", "Leave one of the web hosts there"),
    ],
)
def test_what_several_web_hosts_lack(
    groups: dict[str, list[str]], variables: dict[str, t.Any], lacks: str, remedy: str
) -> None:
    found = failed(inspected({**SEVERAL, **groups}, "a", **{**SHARED, **variables}))
    assert list(found) == ["inventory.web_hosts"]
    assert lacks in found["inventory.web_hosts"].observed and remedy in found["inventory.web_hosts"].remedy
    assert found["inventory.web_hosts"].remedy.endswith("Or leave one host of production in the group web.")


def test_all_that_several_web_hosts_lack_is_said_at_once() -> None:
    (found,) = failed(inspected({**SEVERAL, "balancer": []}, "a", **GOOD, **APART, portal_cache_host="")).values()
    assert found.observed.count(", and ") == 2


def test_one_server_for_all_uploads_is_said() -> None:
    nfs = {**SHARED, "storage_kind": "nfs", "storage_source": "nas.example.com:/portal"}
    found = {finding.id: finding for finding in inspected(SEVERAL, "a", **nfs).findings}
    assert found["inventory.web_hosts"].status == "pass"
    assert (found["inventory.storage"].status, found["inventory.storage"].owner) == ("warn", "customer")
    assert "nas.example.com:/portal" in found["inventory.storage"].observed


def test_three_hosts_that_keep_the_uploads_are_enough() -> None:
    keepers = {**SEVERAL, "storage": ["a", "b", "d"]}
    found = {each.id: each for each in inspected(keepers, "a", **{**SHARED, "storage_kind": "glusterfs"}).findings}
    assert found["inventory.web_hosts"].status == "pass"
    assert (found["inventory.storage"].status, found["inventory.storage"].remedy) == ("pass", "")
    assert "two of them are enough" in found["inventory.storage"].observed


@pytest.mark.parametrize(
    ("variables", "host", "state"),
    [
        ({}, "w", "provable"),
        ({}, "d", "none"),
        ({"certificate_key_file": ""}, "w", "unprovable"),
        ({"site_domain": "x"}, "w", "unprovable"),
        ({"certificate_chain_file": "absent"}, "w", "none"),
        ({"certificate_source": "csr"}, "d", "requested"),
        ({"certificate_source": "acme"}, "w", "none"),
    ],
)
def test_whether_the_certificate_can_be_proven(variables: dict[str, t.Any], host: str, state: str) -> None:
    assert inspected(SPLIT, host, **{**GOOD, **APART, **variables}).certificate == state


def test_what_a_host_with_everything_is_asked() -> None:
    assert inspected(
        **{**GOOD, "site_crm_cloud_webhook": "https://acme.example/rest/1/canary6/"},
        site_ca_path="cert.pem",
        source_url="https://cloud.example.com/b.enc.gz",
        source_password="canary",
        source_headers={"X": "y"},
        source_ca_path="cert.pem",
        certificate_ca_file="key.pem",
        preflight_sizes={"tree": 1},
        preflight_memory_mb=0,
        preflight_expected_addresses=["192.0.2.1"],
    ).options == {
        "source_url": "https://cloud.example.com/b.enc.gz",
        "source_path": "/var/lib/boxlift/backup",
        "source_headers": {"X": "y"},
        "source_ca": "content of cert.pem",
        "further_ca": "content of key.pem",
        "source_password_given": True,
        "document_root": "/srv/portal/www",
        "database_directory": "/var/lib/mysql",
        "sizes": {"tree": 1},
        "memory_mb": 0,
        "ports": [
            {"port": 80, "holders": ["nginx"]},
            {"port": 443, "holders": ["nginx"]},
            {"port": 3306, "holders": ["mariadbd"]},
        ],
        "domain": "portal.example.com",
        "expected_addresses": ["192.0.2.1"],
        "licence_files": [],
        "crm_cloud_webhook": "https://acme.example/rest/1/canary6/",
        "crm_box_webhook": "",
        "crm_ca": "content of cert.pem",
        "crm_proxy": "",
    }


def test_a_database_host_is_not_asked_what_is_the_web_hosts() -> None:
    options = inspected(SPLIT, "d", **GOOD, **APART, source_url="https://cloud.example.com/b.tar").options
    asked = {name for name, value in options.items() if value}
    assert asked == {"database_directory", "memory_mb", "ports"}
    stunnel = ["systemd", "stunnel4"]
    assert options["ports"] == [
        {"port": 3306, "holders": ["mariadbd"]},
        {"port": 3307, "holders": stunnel},
        {"port": 6380, "holders": stunnel},
    ]
    assert options["memory_mb"] == 1800


def test_what_is_refused_already_is_not_asked() -> None:
    wrong = {"site_domain": "x", "source_url": "ftp://x/y", "source_ca_path": "no", "certificate_ca_file": "no"}
    options = inspected(**{**GOOD, **wrong}).options
    assert [options[name] for name in ("domain", "source_url", "source_ca", "further_ca")] == [""] * 4


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    (
        ("ansible_host", "{{ addresses[inventory_hostname] }}", True),
        ("ansible_user", "{{inventory_hostname}}-deploy", True),
        ("ansible_ssh_private_key_file", "keys/{{ inventory_hostname }}.pem", True),
        ("ansible_ssh_common_args", "-o ProxyJump={{ inventory_hostname }}", True),
        ("ansible_host", "192.0.2.10", False),
        ("ansible_host", "{{ addresses.web }}", False),
        ("site_database_password", "{{ inventory_hostname }}", False),
    ),
)
def test_a_connection_that_leads_delegated_tasks_astray(name: str, value: str, wrong: bool) -> None:
    with_copy = {**ONE_HOST, "preproduction": ["copy"]}
    found = failed(inspected(with_copy, **{**GOOD, name: value}))
    assert ("inventory.connection" in found) is wrong
    if wrong:
        assert found["inventory.connection"].observed.startswith(f"{name} of one is a template")
    # Nobody delegates where there is no copy.
    assert "inventory.connection" not in failed(inspected(**{**GOOD, name: value}))


class TestEntitlements:
    VOICE: t.ClassVar[list[dict[str, t.Any]]] = [{"feature": "voice_library", "title": "Voice library"}]

    def found(
        self, uses: t.Any, files: t.Any = None, groups: dict[str, list[str]] | None = None
    ) -> dict[str, tuple[str, str]]:
        given = {**GOOD, "site_entitlements": uses, "site_licence_files": files}
        findings = inspected(groups, **given).findings
        return {
            each.id.partition(".")[2]: (each.status, each.observed)
            for each in findings
            if each.id in ("inventory.site_entitlements", "inventory.site_licence_files")
        }

    def test_what_is_not_set_is_named_and_refuses_nothing(self) -> None:
        status, seen = self.found(None)["site_entitlements"]
        assert status == "warn" and seen.startswith("site_entitlements is not set")
        assert {status for status, _seen in self.found([]).values()} == {"pass"}

    def test_features_without_a_file_and_files_that_are_not_here_are_named(self) -> None:
        assert self.found(self.VOICE)["site_licence_files"] == (
            "warn", "site_entitlements names features, and site_licence_files no file",
        )  # fmt: skip
        here, there = {"path": "cert.pem", "controller": True}, {"path": "/etc/voice.lic"}
        assert self.found(self.VOICE, [here, there])["site_licence_files"][0] == "pass"
        absent = self.found(self.VOICE, [here, {"path": "gone.lic", "controller": True}])
        assert absent["site_licence_files"] == (
            "warn", "site_licence_files names gone.lic, and there is no such file",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("uses", "words"),
        [
            ("voice", "is no list of entries with feature"),
            (["voice"], "is no list of entries with feature"),
            ([{"title": "Voice"}], "is no list of entries with feature"),
            ([{"feature": "Voice"}], "The feature 'Voice' of site_entitlements has no proper id"),
            ([{"feature": "a"}, {"feature": "a"}], "is there twice"),
            ([{"feature": "a", "group": "telephony"}], "names the group telephony, which has no host of production"),
        ],
    )
    def test_what_would_stop_the_check_later_refuses_now(self, uses: t.Any, words: str) -> None:
        status, seen = self.found(uses)["site_entitlements"]
        assert status == "fail" and words in seen

    def test_a_list_of_files_that_is_none_refuses(self) -> None:
        for files in ("a.lic", [{"id": "a"}], [{"path": "a", "group": "push"}]):
            assert self.found(self.VOICE, files)["site_licence_files"][0] == "fail"

    def test_each_host_is_asked_for_the_files_of_its_group(self) -> None:
        files = [{"path": "/a"}, {"path": "/b", "group": "telephony"}, {"path": "cert.pem", "controller": True}]
        for host, expected in (("one", ["/a"]), ("pbx", ["/b"])):
            given = inspected(CALLS, host, **{**TELEPHONY, "site_licence_files": files})
            assert given.options["licence_files"] == expected
        assert inspected(**GOOD, site_licence_files="x").options["licence_files"] == []


REPLICATED = {"production": ["w", "d1", "d2"], "web": ["w"], "database": ["d1", "d2"], "cache": ["w"]}


def test_several_database_hosts() -> None:
    given = {**GOOD, "site_database_restore_password": "canary-restore"}
    assert list(failed(inspected(REPLICATED, "w", **given))) == ["inventory.site_database_replication_password"]
    given["site_database_replication_password"] = "canary-replication"
    assert failed(inspected(REPLICATED, "w", **given)) == {}
    told = {finding.id: finding for finding in inspected(REPLICATED, "w", **given).findings}
    assert told["inventory.replication"].status == "warn"
    assert "d1, d2 replicate" in told["inventory.replication"].observed
    waits = {
        finding.id: finding for finding in inspected(REPLICATED, "w", **given, database_semi_synchronous=True).findings
    }
    assert waits["inventory.replication"].status == "pass"
    one = {finding.id for finding in inspected(SPLIT, "w", **GOOD, **APART).findings}
    assert "inventory.replication" not in one


@pytest.mark.parametrize(
    "groups",
    [
        {**REPLICATED, "database": ["w", "d1"]},
        {"production": ["w", "a", "b", "c", "d"], "web": ["w"], "database": ["a", "b", "c", "d"], "cache": ["w"]},
    ],
)
def test_database_hosts_that_cannot_be(groups: dict[str, list[str]]) -> None:
    given = {"site_database_replication_password": "x", "site_database_restore_password": "y"}
    found = failed(inspected(groups, "w", **{**GOOD, **APART, **given}))
    assert "in the group database" in found["inventory.hosts"].remedy
