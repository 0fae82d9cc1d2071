# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controls of dev-sec's SSH (server) and Linux baselines, by their ids."""

from __future__ import annotations

import re

from scorecard.control import Host, Look, NotApplicable, control

CIPHERS = {
    *("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com"),
    *("aes256-ctr", "aes192-ctr", "aes128-ctr"),
}
KEX = {
    *("sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "mlkem768x25519-sha256"),
    *("curve25519-sha256", "curve25519-sha256@libssh.org", "diffie-hellman-group-exchange-sha256"),
}
MACS = {
    *("hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com"),
    *("hmac-sha2-512", "hmac-sha2-256"),
}


def sshd(host: Host) -> dict[str, list[str]]:
    """What the server really uses, by names in lower case."""
    found: dict[str, list[str]] = {}
    for line in host.output("/usr/sbin/sshd", "-T").splitlines():
        name, _space, text = line.partition(" ")
        found.setdefault(name, []).append(text)
    return found


def stated(host: Host, name: str) -> bool:
    """Whether a file of its configuration states a value, instead of leaving it to the default."""
    files = "cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf"
    return re.search(rf"^\s*{name}\s", host.output("sh", "-c", files), re.M | re.I) is not None


def equals(name: str, *good: str) -> Look:
    def look(host: Host) -> str:
        found = sshd(host).get(name)
        if found is None:
            raise NotApplicable(f"this sshd has no {name}")
        return "" if found[0].lower() in good else f"{name} {found[0]}"

    return look


def within(name: str, strong: set[str]) -> Look:
    def look(host: Host) -> str:
        weak = sorted(set(sshd(host)[name][0].split(",")) - strong)
        return f"{name} has {', '.join(weak)}" if weak else ""

    return look


def gone(why: str) -> Look:
    def look(_host: Host) -> str:
        raise NotApplicable(why)

    return look


def at_most(name: str, most: int) -> Look:
    def look(host: Host) -> str:
        found = int(sshd(host)[name][0])
        return "" if 0 < found <= most else f"{name} {found}"

    return look


def explicit(name: str) -> Look:
    return lambda host: "" if stated(host, name) else f"{name} is left to the default, which is every address"


@control("ssh", "sshd-04", "Its folder is root's, and only root writes there")
def ssh_folder(host: Host) -> str:
    owner, group, mode = host.mode("/etc/ssh")
    return "" if (owner, group, mode) == ("root", "root", 0o755) else f"{owner}:{group} {mode:04o}"


@control("ssh", "sshd-05", "Its configuration is readable for root alone")
def ssh_file(host: Host) -> str:
    owner, group, mode = host.mode("/etc/ssh/sshd_config")
    return "" if (owner, group, mode) == ("root", "root", 0o600) else f"{owner}:{group} {mode:04o}"


@control("ssh", "sshd-14", "The host keys are stated: Ed25519, ECDSA or RSA, none of DSA")
def host_keys(host: Host) -> str:
    keys = [path for path in sshd(host)["hostkey"] if not re.search(r"_(ed25519|ecdsa|rsa)_key$", path)]
    return ", ".join(keys)


@control("ssh", "sshd-21", "Few log-ins at the same time (10:30:100 at most)")
def startups(host: Host) -> str:
    begin, chance, end = (int(number) for number in sshd(host)["maxstartups"][0].split(":"))
    return "" if begin <= 10 and chance >= 30 and end <= 100 else sshd(host)["maxstartups"][0]


@control("ssh", "sshd-47", "Its banner does not name Debian's release")
def debian(host: Host) -> str:
    files = host.output("sh", "-c", "cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf")
    return "" if re.search(r"^\s*DebianBanner\s+no", files, re.M | re.I) else "DebianBanner is not no"


@control("ssh", "sshd-48", "No primes below 2048 bits in /etc/ssh/moduli")
def primes(host: Host) -> str:
    if not host.exists("/etc/ssh/moduli"):
        raise NotApplicable("there is no /etc/ssh/moduli")
    sizes = [line.split()[4] for line in host.text("/etc/ssh/moduli").splitlines() if line[:1] not in ("", "#")]
    small = [number for number in sizes if int(number) < 2047]
    return f"{len(small)} primes" if small else ""


_ALWAYS = "sshd always does so since 7.4, and has no such option any more"
for _name, _demand, _look, _reason in (
    ("sshd-01", "Strong ciphers only", within("ciphers", CIPHERS), ""),
    ("sshd-02", "Strong key exchanges only", within("kexalgorithms", KEX), ""),
    ("sshd-03", "Strong checksums (MACs) only", within("macs", MACS), ""),
    ("sshd-06", "root does not log in with a password", equals("permitrootlogin", "no", "without-password"), ""),
    ("sshd-07", "The port is stated", lambda host: "" if sshd(host)["port"] else "no port", ""),
    ("sshd-08", "The families of addresses are stated", equals("addressfamily", "inet", "inet6", "any"), ""),
    ("sshd-09", "The addresses to listen on are stated", explicit("ListenAddress"),
     "The firewall decides who reaches the port; an address that is gone after a move would lock everybody out"),
    ("sshd-10", "Version 2 of the protocol", gone(_ALWAYS), ""),
    ("sshd-11", "Keys that others may write are refused", equals("strictmodes", "yes"), ""),
    ("sshd-12", "Messages go to the log of log-ins", equals("syslogfacility", "auth"), ""),
    ("sshd-13", "Log-ins are noted with their keys", equals("loglevel", "verbose"), ""),
    ("sshd-15", "No old way to log in (UseLogin)", gone(_ALWAYS), ""),
    ("sshd-16", "Network and rights apart (UsePrivilegeSeparation)", gone(_ALWAYS), ""),
    ("sshd-17", "Users set no environment", equals("permituserenvironment", "no"), ""),
    ("sshd-18", "30 seconds for a log-in", at_most("logingracetime", 30), ""),
    ("sshd-19", "Two tries for each connection", at_most("maxauthtries", 2),
     "An agent offers every key that it holds, and each one counts"),
    ("sshd-20", "Ten sessions for each connection", at_most("maxsessions", 10), ""),
    ("sshd-22", "Keys are taken", equals("pubkeyauthentication", "yes"), ""),
    ("sshd-23", "No .rhosts", equals("ignorerhosts", "yes"), ""),
    ("sshd-24", "No known hosts of users", equals("ignoreuserknownhosts", "yes"), ""),
    ("sshd-25", "No log-in by the client's host", equals("hostbasedauthentication", "no"), ""),
    ("sshd-27", "No passwords", equals("passwordauthentication", "no"), ""),
    ("sshd-28", "No empty passwords", equals("permitemptypasswords", "no"), ""),
    ("sshd-29", "No passwords by way of questions", equals("kbdinteractiveauthentication", "no"), ""),
    ("sshd-30", "No Kerberos", equals("kerberosauthentication", "no"), ""),
    ("sshd-31", "No password in place of Kerberos", equals("kerberosorlocalpasswd", "no"), ""),
    ("sshd-32", "Kerberos' tickets are deleted", equals("kerberosticketcleanup", "yes"), ""),
    ("sshd-33", "No GSSAPI", equals("gssapiauthentication", "no"), ""),
    ("sshd-34", "GSSAPI's credentials are deleted", equals("gssapicleanupcredentials", "yes"), ""),
    ("sshd-35", "No keep-alive that can be forged", equals("tcpkeepalive", "no"), ""),
    ("sshd-36", "Clients are asked every 300 seconds", at_most("clientaliveinterval", 300), ""),
    ("sshd-37", "Three times", at_most("clientalivecountmax", 3), ""),
    ("sshd-38", "No tunnels", equals("permittunnel", "no"), ""),
    ("sshd-39", "No forwarded ports", equals("allowtcpforwarding", "no"), ""),
    ("sshd-40", "No forwarded agents", equals("allowagentforwarding", "no"), ""),
    ("sshd-41", "No ports for others", equals("gatewayports", "no"), ""),
    ("sshd-42", "No X11", equals("x11forwarding", "no"), ""),
    ("sshd-43", "If X11, then for this host alone", equals("x11uselocalhost", "yes"), ""),
    ("sshd-44", "No message of the day from sshd", equals("printmotd", "no"), ""),
    ("sshd-45", "No time of the last log-in", equals("printlastlog", "no"), ""),
    ("sshd-46", "No banner", equals("banner", "none"), ""),
):  # fmt: skip
    control("ssh", _name, _demand, _reason)(_look)


# Linux

FILESYSTEMS = ("cramfs", "freevxfs", "jffs2", "hfs", "hfsplus", "squashfs", "udf", "vfat")
#: Programs with the right of their owner that no server needs.
SUID = (
    *("/usr/bin/rcp", "/usr/bin/rlogin", "/usr/bin/rsh", "/usr/lib/openssh/ssh-keysign", "/usr/sbin/pppd"),
    *("/usr/bin/lockfile", "/usr/bin/mail-lock", "/usr/bin/mail-unlock", "/usr/bin/mail-touchlock"),
    *("/usr/bin/dotlockfile", "/usr/bin/arping", "/usr/sbin/arping", "/usr/sbin/uuidd", "/usr/bin/mtr"),
    *("/usr/lib/pt_chown", "/usr/lib/mc/cons.saver", "/usr/lib/eject/dmcrypt-get-device"),
)
_OTHERS = "the machine's partitions decide, which are made before any role runs"


def owned(path: str, group: str, forbidden: int) -> Look:
    def look(host: Host) -> str:
        owner, found, mode = host.mode(path)
        return "" if owner == "root" and found == group and not mode & forbidden else f"{owner}:{found} {mode:04o}"

    return look


def no_file(*names: str) -> Look:
    """In three levels of folders."""
    terms = [term for name in names for term in ("-o", "-iname", name)][1:]
    return lambda host: (
        host.output("find", "/", "-maxdepth", "3", "(", *terms, ")", "-print").replace("\n", " ").strip()
    )


def no_package(*names: str) -> Look:
    def look(host: Host) -> str:
        return ", ".join(name for name in names if installed(host, name))

    return look


def installed(host: Host, name: str) -> bool:
    return "ok installed" in host.output("sh", "-c", f"dpkg-query -W -f '${{Status}}' {name} 2>/dev/null || true")


@control("os", "os-04", "PATH holds no folder of the moment")
def path(host: Host) -> str:
    folders = host.output("bash", "-lc", 'printf %s "$PATH"').split(":")
    return "an empty folder, or ." if "" in folders or "." in folders else ""


@control(
    "os",
    "os-05",
    "Accounts: umask 027, passwords of 60 days at most, few tries",
    "Accounts have keys and no passwords that could age",
)
def login_defs(host: Host) -> str:
    found = dict(re.findall(r"^([A-Z_]+)\s+(\S.*?)\s*$", host.text("/etc/login.defs"), re.M))
    wanted = {
        **{"UMASK": "027", "PASS_MAX_DAYS": "60", "PASS_MIN_DAYS": "7", "PASS_WARN_AGE": "7", "LOGIN_RETRIES": "5"},
        **{"LOGIN_TIMEOUT": "60", "UID_MIN": "1000", "GID_MIN": "1000"},
    }
    return ", ".join(f"{name} {found.get(name, 'unset')}" for name, good in wanted.items() if found.get(name) != good)


@control("os", "os-06", "No program with its owner's rights that no server needs")
def suid(host: Host) -> str:
    found = host.output("find", "/usr", "/bin", "/sbin", "-perm", "/6000", "-type", "f").split()
    return ", ".join(sorted(set(found) & set(SUID)))


@control("os", "os-07", "Every number belongs to one account")
def numbers(host: Host) -> str:
    doubled = []
    for file in ("/etc/passwd", "/etc/group"):
        ids = [line.split(":")[2] for line in host.text(file).splitlines()]
        doubled += [f"{each} in {file}" for each in sorted(set(ids)) if ids.count(each) > 1]
    return ", ".join(doubled)


@control("os", "os-08", "Enough randomness")
def entropy(host: Host) -> str:
    found = int(host.text("/proc/sys/kernel/random/entropy_avail"))
    # Since Linux 5.18 the pool is always full, and its size is 256 bits.
    return "" if found >= 256 else f"{found} bits"


@control("os", "os-10", "Strange file systems cannot be mounted")
def filesystems(host: Host) -> str:
    loaded = host.output("sh", "-c", "cat /etc/modprobe.d/*.conf 2>/dev/null || true")
    off = set(re.findall(r"^\s*install\s+(\S+)\s+/(?:usr/)?bin/(?:true|false)", loaded, re.M))
    return ", ".join(name for name in FILESYSTEMS if name not in off and name != "vfat")


@control("os", "os-12", "The processor's known holes are closed")
def processor(host: Host) -> str:
    raise NotApplicable("the lab's hosts are containers; their kernel is another machine's")


@control("os", "os-13", "Jobs of cron are readable for root alone")
def cron(host: Host) -> str:
    paths = ["/etc/crontab", *(f"/etc/cron.{name}" for name in ("hourly", "daily", "weekly", "monthly", "d"))]
    there = {path: host.mode(path) for path in paths if host.exists(path)}
    return ", ".join(f"{path} {each[2]:04o}" for path, each in there.items() if each[0] != "root" or each[2] & 0o77)


@control("os", "package-07", "Messages are kept")
def messages(host: Host) -> str:
    kept = host.status("systemctl", "is-active", "--quiet", "systemd-journald") == 0
    return "" if kept or installed(host, "rsyslog") else "neither journald nor rsyslog"


@control("os", "package-08", "auditd notes what matters")
def auditd(host: Host) -> str:
    if not installed(host, "auditd"):
        return "auditd is not installed"
    rules = host.output("sh", "-c", "cat /etc/audit/rules.d/*.rules")
    return "" if "/etc/passwd" in rules else "no rules"


for _name, _demand, _look, _reason in (
    ("os-01", "No trusted hosts", lambda host: "there are some" if host.exists("/etc/hosts.equiv") else "", ""),
    ("os-02", "/etc/shadow is root's, and closed to others", owned("/etc/shadow", "shadow", 0o137), ""),
    ("os-03", "/etc/passwd is written by root alone", owned("/etc/passwd", "root", 0o133), ""),
    ("os-09", "No .rhosts, no .netrc", no_file(".rhosts", ".netrc"), ""),
    ("os-11", "/var/log is root's", lambda host: "" if host.mode("/var/log")[0] == "root" else "of another", ""),
    ("os-14", "Mounts without programs (noexec)", gone(_OTHERS), ""),
    ("os-15", "Mounts without other's rights (nosuid)", gone(_OTHERS), ""),
    ("os-16", "Mounts without devices (nodev)", gone(_OTHERS), ""),
    ("package-01", "No inetd", no_package("inetd", "xinetd", "openbsd-inetd"), ""),
    ("package-02", "No server of Telnet", no_package("telnetd", "inetutils-telnetd"), ""),
    ("package-03", "No server of rsh", no_package("rsh-server", "rsh-redone-server"), ""),
    ("package-05", "No NIS", no_package("nis", "ypserv"), ""),
    ("package-06", "No server of TFTP", no_package("tftpd", "tftpd-hpa", "atftpd"), ""),
    ("package-09", "No prelink, which undoes random addresses", no_package("prelink"), ""),
):  # fmt: skip
    control("os", _name, _demand, _reason)(_look)
