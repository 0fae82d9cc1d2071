# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a certificate into use in Asterisk: prove it, install it, see it served; or go back to the one of before.

Runs on the host: when the role runs, and whenever the files that the certificate comes from change. Calls go on:
Asterisk reads both files again and restarts nothing. It says "reloaded successfully" also where it could not read the
key, and its port for browsers then answers no more. So nothing counts but the certificate that both ports show.
"""

from __future__ import annotations

import argparse
import contextlib
import grp
import hashlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ACCOUNT = "asterisk"
CHAIN, KEY = "boxlift.crt", "boxlift.key"
RELOADS = ("module reload res_pjsip.so", "module reload http")
PATIENCE = 20.0
#: Python has a name for it from 3.10 on: a certificate that is trusted itself needs no authority.
PARTIAL_CHAIN = 0x80000

Command = t.Callable[[t.Sequence[str]], "tuple[int, str]"]


class Refused(Exception):
    """The certificate cannot be used; the message says why, and what to do."""


class Pair(t.NamedTuple):
    """Certificate with chain, and its key, in PEM."""

    chain: bytes
    key: bytes

    @classmethod
    def read(cls, chain: Path, key: Path) -> Pair | None:
        """The two files, None where one is not there."""
        try:
            return cls(chain.read_bytes(), key.read_bytes())
        except FileNotFoundError:
            return None

    def install(self, folder: Path, group: int) -> None:
        """Each file whole or not at all, for root and the group of Asterisk's account."""
        for name, content in ((KEY, self.key), (CHAIN, self.chain)):
            descriptor, part = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            with os.fdopen(descriptor, "wb") as stream:
                os.fchown(descriptor, -1, group)
                os.fchmod(descriptor, 0o640)
                stream.write(content)
                stream.flush()
                os.fsync(descriptor)
            os.replace(part, folder / name)

    @property
    def leaf(self) -> str:
        """The first certificate, in PEM."""
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        inner = self.chain.decode("ascii", "replace").partition(begin)[2].partition(end)[0]
        return f"{begin}{inner}{end}\n"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.leaf)).hexdigest()


class Host(t.NamedTuple):
    """How this host is asked and told. `served` returns the fingerprint that a port shows, or raises OSError."""

    run: Command
    served: t.Callable[[int], str]
    clock: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep


class Target(t.NamedTuple):
    """Where it is installed, and who has to read and show it."""

    folder: Path
    group: int
    name: str
    ports: t.Sequence[int]


def deploy(chain: Path, key: Path, target: Target, host: Host, place: bool = False) -> str:
    """What was done, in a sentence. Raises Refused, and then the certificate of before is in use.

    `place` installs the first certificate only, for an Asterisk that has no port with TLS yet.
    """
    new, old = Pair.read(chain, key), Pair.read(target.folder / CHAIN, target.folder / KEY)
    if new is None:
        raise Refused(f"There is no {chain} or no {key}. Correct telephony_certificate_file and …_key_file.")
    prove(new, chain, key, target.name)
    if place:
        if old is not None:
            return "A certificate is installed already."
        new.install(target.folder, target.group)
        return f"The first certificate {new.fingerprint[:16]} is installed."
    if new == old and readable(target, host) and not unserved(new, target, host):
        return "The certificate is in use already."
    new.install(target.folder, target.group)
    if not readable(target, host):
        # Asterisk has read nothing yet: it goes on with what it has.
        back = put_back(new, old, target)
        raise Refused(
            f"The account {ACCOUNT} cannot read {target.folder / KEY}. {back} Let it enter each folder above that file."
        )
    reload(host)
    if wrong := await_served(new, target, host):
        back = put_back(new, old, target)
        reload(host)
        if old not in (None, new) and (still := await_served(t.cast(Pair, old), target, host)):
            back += f" Port {' and '.join(map(str, still))} does not show that one either: restart asterisk.service."
        raise Refused(
            f"Asterisk was told to read the new certificate; port {' and '.join(map(str, wrong))} does not show it. "
            f"{back} See the lines with ERROR in /var/log/asterisk/messages.log."
        )
    return f"The new certificate {new.fingerprint[:16]} is installed and served."


def prove(pair: Pair, chain: Path, key: Path, name: str) -> None:
    """Key, dates and name, by a handshake inside this process. Not the authority: phones may know a private one."""
    with tempfile.TemporaryDirectory() as folder:
        # Copies: what is proven here is what is installed, also where the files change in between.
        pair.install(Path(folder), os.getgid())
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # An empty answer instead of a question on the terminal.
            server.load_cert_chain(Path(folder) / CHAIN, Path(folder) / KEY, password=lambda: b"")
        except (ssl.SSLError, ValueError) as error:
            raise Refused(
                f"{key} is no key without passphrase that belongs to {chain} ({error}). The certificate in use stays. "
                "Give the key that belongs to the certificate; openssl pkey -in KEY -out FILE takes a passphrase off."
            ) from error
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=pair.leaf)
    client.verify_flags |= t.cast(ssl.VerifyFlags, PARTIAL_CHAIN)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    waiting = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    try:
        while waiting:
            for side in list(waiting):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
                    waiting.remove(side)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or str(error)
        raise Refused(
            f"Phones would refuse {chain} for {name}: {reason.rstrip('.')}. The certificate in use stays. Get one with "
            "that name, or correct telephony_name."
        ) from error


def readable(target: Target, host: Host) -> bool:
    return host.run(["runuser", "-u", ACCOUNT, "--", "test", "-r", str(target.folder / KEY)])[0] == 0


def put_back(new: Pair, old: Pair | None, target: Target) -> str:
    """Install what was there before; says whether there was anything."""
    if old is None or old == new:
        return "There was no other certificate to go back to."
    old.install(target.folder, target.group)
    return f"The certificate of before, {old.fingerprint[:16]}, is installed again."


def reload(host: Host) -> None:
    """Asterisk answers success whatever comes of it; only that nobody answers is a failure here."""
    for command in RELOADS:
        code, said = host.run(["/usr/sbin/asterisk", "-rx", command])
        if code != 0:
            raise Refused(f"Asterisk does not take commands: {said} Start it: systemctl start asterisk.service")


def unserved(pair: Pair, target: Target, host: Host) -> list[int]:
    """The ports that do not show this certificate."""
    return [port for port in target.ports if not is_served(pair, port, host)]


def is_served(pair: Pair, port: int, host: Host) -> bool:
    try:
        return host.served(port) == pair.fingerprint
    except OSError:  # nobody listens, or no handshake
        return False


def await_served(pair: Pair, target: Target, host: Host) -> list[int]:
    """The ports that do not show it although they had time to."""
    end = host.clock() + PATIENCE
    while wrong := unserved(pair, target, host):
        if host.clock() > end:
            return wrong
        host.sleep(0.5)
    return []


def served(port: int) -> str:
    """The fingerprint that this host's port shows, whoever signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain, context.wrap_socket(plain) as tls:
        return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()


def run(command: t.Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, " ".join(done.stdout.split())


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring a certificate into use in Asterisk, proven.")
    parser.add_argument("--certificate", type=Path, required=True, help="certificate and chain, from where it comes")
    parser.add_argument("--key", type=Path, required=True, help="its key")
    parser.add_argument("--folder", type=Path, required=True, help="folder that Asterisk reads")
    parser.add_argument("--name", required=True, help="host name that phones know")
    parser.add_argument("--port", type=int, action="append", required=True, help="port that has to show it")
    parser.add_argument("--place", action="store_true", help="install the first certificate only")
    given = parser.parse_args()
    target = Target(given.folder, grp.getgrnam(ACCOUNT).gr_gid, given.name, given.port)
    try:
        print(deploy(given.certificate, given.key, target, Host(run, served), given.place))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
