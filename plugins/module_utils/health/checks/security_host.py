# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security of the host itself: who gets in, what is mended by itself, and what is noted (role hardening)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.hardening import (
    UPKEEP_SKIPPED,
    container,
    need_part,
    open_families,
    portal_account,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import SETTINGS

_DAY = 86400
#: Days after which a list of packages, or a run of the updates, is too old.
STALE_DAYS = 7
_UPGRADE_STAMPS = ("/var/lib/apt/periodic/upgrade-stamp", "/var/lib/apt/periodic/unattended-upgrades-stamp")
_LISTS = "/var/lib/apt/lists"
_REBOOT = "/run/reboot-required"
_APT, _PERIODIC = "/etc/apt/apt.conf.d", "APT::Periodic::Unattended-Upgrade"
#: What the kernel should say, by its file in /proc/sys; several values where each of them protects.
KERNEL: dict[str, tuple[str, ...]] = {
    "kernel/dmesg_restrict": ("1",),
    "kernel/kptr_restrict": ("1", "2"),
    "kernel/randomize_va_space": ("2",),
    "kernel/yama/ptrace_scope": ("1", "2", "3"),
    "fs/protected_hardlinks": ("1",),
    "fs/protected_symlinks": ("1",),
    "net/ipv4/conf/all/accept_redirects": ("0",),
    "net/ipv4/conf/all/accept_source_route": ("0",),
    "net/ipv4/conf/all/send_redirects": ("0",),
    "net/ipv4/icmp_echo_ignore_broadcasts": ("1",),
    "net/ipv4/tcp_syncookies": ("1", "2"),
    "net/ipv6/conf/all/accept_redirects": ("0",),
}
_NO_CORES = re.compile(r"^\s*\*\s+(hard|-)\s+core\s+0\s*$", re.MULTILINE)


@check(
    "security.firewall",
    why="A service that is opened by mistake is found by scanners within hours, unless a firewall lets in only what is "
    "meant for others.",
    expected="a firewall drops what comes in and is not named, for IPv4 and IPv6",
    remedy="Run playbooks/provision.yml with role hardening (variable site_admin_addresses, part firewall).",
    blocks="nobody",
)
def security_firewall(context: Context) -> Verdict:
    need_part(context, "firewall")
    ruleset = context.installed("nft", "--json", "list", "ruleset")
    if ruleset is not None:
        families = open_families(ruleset)
        if not families:
            return passed("nftables drops what it does not know")
        names = " and ".join({"ip": "IPv4", "ip6": "IPv6"}[family] for family in families)
        return warned(f"nftables lets in everything by {names}")
    legacy = {name: context.installed(program, "-S", "INPUT") for name, program in _LEGACY.items()}
    if all(rules is None for rules in legacy.values()):
        return warned("neither nft nor iptables is installed: nothing closes a port")
    wide = [name for name, rules in legacy.items() if rules is not None and "-P INPUT DROP" not in rules]
    return warned(f"iptables lets in everything by {' and '.join(wide)}") if wide else passed("iptables drops")


_LEGACY = {"IPv4": "iptables", "IPv6": "ip6tables"}


@check(
    "security.ssh",
    why="Passwords of SSH are guessed day and night; whoever guesses one owns the portal.",
    expected="sshd takes keys only, root never with a password, and forwards no X11",
    remedy="Give every account that you use a key, then run role hardening (part ssh).",
    blocks="nobody",
)
def security_ssh(context: Context) -> Verdict:
    need_part(context, "ssh")
    printed = context.installed("/usr/sbin/sshd", "-T")
    if printed is None:
        raise DoesNotApply("this host has no SSH server")
    settings = dict(line.split(" ", 1) for line in printed.splitlines() if " " in line)
    if "passwordauthentication" not in settings:
        raise CannotLook("sshd -T does not say how accounts log in")
    if settings.get("permitemptypasswords") == "yes":
        return failed("accounts without a password get in (PermitEmptyPasswords yes)")
    wrong = [
        f"{name} {settings[name]}"
        for name, good in _SSHD.items()
        if settings.get(name, good[0]) not in good
    ]  # fmt: skip
    return warned(", ".join(wrong)) if wrong else passed("keys only")


#: Settings of sshd, each with the values that are good.
_SSHD = {
    "passwordauthentication": ("no",),
    "kbdinteractiveauthentication": ("no",),
    "permitrootlogin": ("no", "without-password", "prohibit-password", "forced-commands-only"),
    "x11forwarding": ("no",),
}


@check(
    "security.updates_automatic",
    why="Holes of the web server and of PHP are used within days of their publication.",
    expected="unattended-upgrades is switched on and has run within seven days",
    remedy="Run role upkeep (part updates); look at systemctl status apt-daily-upgrade.timer and at "
    "/var/log/unattended-upgrades.",
    blocks="nobody",
)
def security_updates_automatic(context: Context) -> Verdict:
    need_part(context, "updates", UPKEEP_SKIPPED)
    periodic = context.installed("apt-config", "dump", "APT::Periodic")
    if periodic is None:
        raise CannotLook("this host has no apt")
    if not re.search(r'^APT::Periodic::Unattended-Upgrade "[1-9]\w*";$', periodic, re.MULTILINE):
        return warned("unattended upgrades are not switched on")
    if not context.host_file("/usr/bin/unattended-upgrade").exists():
        return warned("unattended-upgrades is not installed")
    ran = [context.host_file(path).stat().st_mtime for path in _UPGRADE_STAMPS if context.host_file(path).exists()]
    if ran:
        days = int((context.now() - max(ran)) / _DAY)
        return passed(f"ran {days} days ago") if days <= STALE_DAYS else warned(f"the last run was {days} days ago")
    setups = [path for path in context.host_file(_APT).glob("*") if _PERIODIC in path.read_text("utf-8")]
    if setups and context.now() - max(path.stat().st_mtime for path in setups) <= STALE_DAYS * _DAY:
        return passed("set up within the last seven days, has not run yet")
    return warned("switched on, but has never run")


@check(
    "security.updates_pending",
    why="What is published as a hole and not yet closed here is an open door that everybody knows.",
    expected="no security update waits, and no restart for one",
    remedy="Run playbook update (update_only=security), which restarts what needs it; add update_reboot=true in a "
    "window for the host where there is a /run/reboot-required.",
    blocks="nobody",
)
def security_updates_pending(context: Context) -> Verdict:
    lists = context.host_file(_LISTS)
    indexes = [path.stat().st_mtime for path in lists.glob("*Packages*")] if lists.is_dir() else []
    partial = context.host_file(f"{_LISTS}/partial")
    if not indexes:
        raise CannotLook("apt has no lists of packages here; apt-get update makes them")
    # What role host writes where a site installs from a bundle (host_package_repository).
    if any("Origin: boxlift\n" in path.read_text("utf-8", "replace") for path in lists.glob("*Release")):
        planned = context.command("apt-get", "--simulate", "--quiet", "-o", "Debug::NoLocking=true", "dist-upgrade")
        newer = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
        if newer:
            return warned(f"{len(newer)} packages of the bundle are newer than here: {some(newer)}")
        raise CannotLook("packages come from a bundle, which knows no update that is younger than itself")
    looked = max([*indexes, *([partial.stat().st_mtime] if partial.exists() else [])])
    days = int((context.now() - looked) / _DAY)
    if days > STALE_DAYS:
        raise CannotLook(f"apt's lists of packages are {days} days old; apt-get update renews them")
    planned = context.command("apt-get", "--simulate", "--quiet", "-o", "Debug::NoLocking=true", "dist-upgrade")
    waiting = [line for line in planned.splitlines() if line.startswith("Inst ")]
    urgent = [line.split()[1] for line in waiting if "security" in line.lower()]
    if urgent:
        return warned(f"{len(urgent)} security updates wait: {some(urgent)}")
    if context.host_file(_REBOOT).exists():
        return warned("an update waits for a restart of the host")
    return passed(f"no security update waits, {len(waiting)} others")


@check(
    "security.fail2ban",
    why="Who tries passwords all night should be sent away after a few tries, at SSH and at the portal's log-in.",
    expected="fail2ban answers, with jails for SSH and for the portal",
    remedy="Run role hardening (part fail2ban); look at journalctl -u fail2ban.",
    blocks="nobody",
)
def security_fail2ban(context: Context) -> Verdict:
    need_part(context, "fail2ban")
    try:
        said = context.installed("fail2ban-client", "status")
    except BoxliftError as problem:
        return warned(f"fail2ban does not answer: {problem.message}")
    if said is None:
        return warned("fail2ban is not installed")
    listed = re.search(r"Jail list:[ \t]*(.*)", said)
    if listed is None:
        raise CannotLook("fail2ban-client named no list of jails")
    jails = [jail.strip() for jail in listed.group(1).split(",") if jail.strip()]
    missing = [kind for kind in ("ssh", "portal") if not any(kind in jail for jail in jails)]
    if missing:
        return warned(f"no jail for {' and '.join(missing)}; there are: {some(jails) or 'none'}")
    return passed(f"jails: {some(jails)}")


@check(
    "security.core_dumps",
    why="The memory of a program that has crashed holds passwords and sessions; a dump leaves them on the disk.",
    expected="crashed programs leave no dump: fs.suid_dumpable 0 and a hard limit of 0 for core",
    remedy="Run role hardening (part kernel).",
    blocks="nobody",
)
def security_core_dumps(context: Context) -> Verdict:
    need_part(context, "kernel")
    dumpable = context.host_text("/proc/sys/fs/suid_dumpable").strip()
    if not dumpable:
        raise CannotLook("/proc/sys/fs/suid_dumpable is not there")
    folder = context.host_file("/etc/security/limits.d")
    texts = [context.host_text("/etc/security/limits.conf")]
    texts += [context.host_text(f"/etc/security/limits.d/{path.name}") for path in sorted(folder.glob("*.conf"))]
    wrong = [] if any(_NO_CORES.search(text) for text in texts) else ["limits.d has no `* hard core 0`"]
    if dumpable != "0":
        if container(context) and not wrong:
            raise CannotLook(f"fs.suid_dumpable is {dumpable}, a value of the machine under this {container(context)}")
        wrong.append(f"fs.suid_dumpable is {dumpable}")
    return warned("; ".join(wrong)) if wrong else passed("no dumps")


@check(
    "security.kernel",
    why="These settings of the kernel take from a break-in its usual next steps, and from the network false routes.",
    expected="the settings of the kernel that role hardening makes (sysctl)",
    remedy="Run role hardening (part kernel); sysctl --system loads what is set.",
    blocks="nobody",
)
def security_kernel(context: Context) -> Verdict:
    need_part(context, "kernel")
    found = {name: context.host_text(f"/proc/sys/{name}").strip() for name in KERNEL}
    there = {name: value for name, value in found.items() if value}
    if not there:
        raise CannotLook("/proc/sys holds none of the settings")
    wrong = {name: value for name, value in there.items() if value not in KERNEL[name]}
    told = some([f"{name.replace('/', '.')} is {value}" for name, value in wrong.items()], 10)
    if wrong and container(context):  # it may not write them
        raise CannotLook(f"{told}: set by the machine under this {container(context)}")
    return warned(told) if wrong else passed(f"{len(there)} settings")


@check(
    "security.audit",
    why="Without a record nobody can say afterwards who changed the portal's configuration, and when.",
    expected="auditd has rules that note writes to the portal's configuration",
    remedy="Run role hardening (part audit); augenrules --load loads the rules.",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_audit(context: Context) -> Verdict:
    need_part(context, "audit")
    settings = context.files.find(SETTINGS)
    kind = container(context)
    if kind:
        raise CannotLook(f"the kernel's audit belongs to the machine under this {kind}")
    rules = context.installed("auditctl", "-l")
    if rules is None:
        return warned("auditd is not installed")
    watched = re.findall(r"(?:-w |path=|dir=)(\S+)", rules)
    if settings is None or not any(_within(str(settings), place) for place in watched):
        return warned(f"no rule watches {settings}; {len(watched)} other places are watched")
    return passed(f"{len(watched)} places are watched")


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


@check(
    "security.cron",
    why="Miners come back by the crontab of the account that the web server's programs run as.",
    expected="the portal's account may use neither crontab nor at, and has no crontab",
    remedy="Run role hardening (part accounts): it adds the account to /etc/cron.deny and /etc/at.deny. Move jobs of a "
    "crontab that you know to /etc/cron.d.",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_cron(context: Context) -> Verdict:
    need_part(context, "accounts")
    account = portal_account(context)
    wrong = []
    for program, name in (("/usr/bin/crontab", "cron"), ("/usr/bin/at", "at")):
        if context.host_file(program).exists() and _may(context, account, name):
            wrong.append(f"{account} may use {program.rpartition('/')[2]}")
    table = context.host_file(f"/var/spool/cron/crontabs/{account}")
    if table.exists():
        wrong.append(f"{account} has a crontab")
    return warned("; ".join(wrong)) if wrong else passed(f"{account} can schedule nothing")


def _may(context: Context, account: str, name: str) -> bool:
    """Whether the account may use cron or at: the list of who may goes before the list of who may not."""
    allow = context.host_file(f"/etc/{name}.allow")
    names = _lines(context.host_text(f"/etc/{name}.{'allow' if allow.exists() else 'deny'}"))
    return (account in names) == allow.exists()


def _lines(text: str) -> t.Sequence[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


@check(
    "security.confinement",
    why="AppArmor keeps a program that was broken into within what it needs.",
    expected="AppArmor is on, as Debian sets it up",
    remedy="Remove apparmor=0 from the kernel's command line, install apparmor, restart the host (role hardening).",
    blocks="nobody",
)
def security_confinement(context: Context) -> Verdict:
    need_part(context, "apparmor")
    enabled = context.host_text("/sys/module/apparmor/parameters/enabled").strip()
    if container(context):
        raise CannotLook(f"AppArmor belongs to the machine under this {container(context)}")
    return passed("AppArmor is on") if enabled == "Y" else warned("AppArmor is not on")


#: What systemd should say of the services that strangers speak to; several values where each of them protects.
SANDBOX: dict[str, tuple[str, ...]] = {
    "NoNewPrivileges": ("yes",),
    "PrivateTmp": ("yes",),
    "PrivateDevices": ("yes",),
    "ProtectSystem": ("full", "strict"),
    "ProtectKernelTunables": ("yes",),
    "ProtectKernelModules": ("yes",),
    "ProtectControlGroups": ("yes",),
}


@check(
    "security.sandbox",
    why="What broke into nginx or PHP should reach the portal's files, and no other program or device.",
    expected="systemd confines nginx and PHP-FPM",
    remedy="Run role web: it writes drop-ins for both services. systemd-analyze security NAME shows the rest.",
    blocks="nobody",
)
def security_sandbox(context: Context) -> Verdict:
    loaded = _units(context, ["nginx.service", *_php_units(context)], SANDBOX)
    if not loaded:
        raise CannotLook("neither nginx nor PHP-FPM is a service of systemd here")
    wrong = []
    for unit in loaded:
        bare = [name for name, good in SANDBOX.items() if unit.get(name) not in good]
        if bare:
            wrong.append(f"{unit.get('Id')} without {', '.join(bare)}")
    return warned("; ".join(wrong)) if wrong else passed(", ".join(str(unit.get("Id")) for unit in loaded))


def _units(context: Context, names: t.Sequence[str], properties: t.Iterable[str]) -> list[dict[str, str]]:
    """Properties of the services that systemd has loaded. Raises CannotLook if there is no systemd."""
    wanted = ",".join(("Id", "LoadState", *properties))
    shown = context.installed("systemctl", "show", f"--property={wanted}", *names)
    if shown is None:
        raise CannotLook("this host has no systemd")
    units = [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in shown.split("\n\n")]
    return [unit for unit in units if unit.get("LoadState") == "loaded"]


def _php_units(context: Context) -> list[str]:
    folder = context.host_file("/usr/lib/systemd/system")
    return sorted(path.name for path in folder.glob("php*-fpm.service"))


@check(
    "security.memory_order",
    why="When memory runs out the kernel ends the largest program: the database, and with it everybody's work.",
    expected="the kernel ends processes of PHP before the database (OOMScoreAdjust)",
    remedy="Run role web, which gives PHP-FPM OOMScoreAdjust=300 and a limit of memory (web_memory_mb).",
    blocks="nobody",
)
def security_memory_order(context: Context) -> Verdict:
    php = _php_units(context)
    units = _units(context, ["mariadb.service", "mysql.service", *php], ("OOMScoreAdjust",))
    scores = {unit.get("Id", ""): int(unit.get("OOMScoreAdjust") or 0) for unit in units}
    servers = {name: score for name, score in scores.items() if name not in php}
    pages = {name: score for name, score in scores.items() if name in php}
    if not servers or not pages:
        raise DoesNotApply("database and PHP-FPM are not services of the same host")
    if max(servers.values()) >= min(pages.values()):
        return warned(", ".join(f"{name} {score}" for name, score in scores.items()))
    return passed(", ".join(f"{name} {score}" for name, score in scores.items()))


#: Where Ansible puts what it runs, with its arguments, and leaves it when it is killed.
_LEFT = (
    *("root/.ansible/tmp/ansible-*", "home/*/.ansible/tmp/ansible-*", "tmp/ansible-*", "var/tmp/ansible-*"),
    *("root/.ansible_async/*", "home/*/.ansible_async/*"),
)


@check(
    "security.left_secrets",
    why="A run of Ansible that was killed leaves programs with passwords in them, which backups then carry away.",
    expected="nothing of a run lies in Ansible's folders for more than a day",
    remedy="Remove what is named here. The collection's playbooks run from memory (role host, entry point private).",
    blocks="nobody",
)
def security_left_secrets(context: Context) -> Verdict:
    root = context.host_file("/")
    there = [path for pattern in _LEFT for path in sorted(root.glob(pattern))]
    old = [path for path in there if context.now() - path.stat().st_mtime > _DAY]
    return warned(f"{len(old)}: {some([f'/{path.relative_to(root)}' for path in old])}") if old else passed("nothing")
