# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a certificate from ACME into use: prove it, install it, see it served; or go back to the one of before.

Runs on the host: as certbot's deploy hook, and after every `certbot renew`, when as a rule there is nothing to do.
That second run is there because certbot neither fails nor tries again where its hook failed.
"""

from __future__ import annotations

import argparse
import contextlib
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

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
WEB = "nginx.service"
#: What shows the certificate: a web server, or the balancer before several. Each with what proves its configuration.
WEB_TESTS = {
    WEB: ("/usr/sbin/nginx", "-t", "-q"),
    "haproxy.service": ("/usr/sbin/haproxy", "-c", "-q", "-f", "/etc/haproxy/haproxy.cfg"),
}
# Workers of before may still take a connection for a moment after a reload.
PATIENCE = 20.0

Command = t.Callable[[t.Sequence[str]], "tuple[int, str]"]
Served = t.Callable[[str], str]


class Refused(Exception):
    """The certificate cannot be used; the message says why, and what to do."""


class Pair(t.NamedTuple):
    """Certificate with chain, and its key, in PEM."""

    chain: bytes
    key: bytes

    @classmethod
    def read(cls, folder: Path) -> Pair | None:
        """What lies in a folder, None where one of the two is not there."""
        try:
            return cls((folder / "fullchain.pem").read_bytes(), (folder / "privkey.pem").read_bytes())
        except FileNotFoundError:
            return None

    def install(self, folder: Path) -> None:
        """Each file whole or not at all, the key for root alone."""
        for name, content, mode in (("privkey.pem", self.key, 0o600), ("fullchain.pem", self.chain, 0o644)):
            descriptor, part = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(part, mode)
            os.replace(part, folder / name)

    @property
    def fingerprint(self) -> str:
        end = "-----END CERTIFICATE-----"
        first = self.chain.decode("ascii").partition(end)[0] + end
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[first.index("-----BEGIN") :])).hexdigest()


class Host(t.NamedTuple):
    """How this host is asked and told."""

    run: Command
    served: Served
    clock: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep


def deploy(live: Path, directory: Path, names: list[str], services: list[str], authorities: str, host: Host) -> str:
    """What was done, in a sentence. Raises Refused, and then the certificate of before is in use."""
    new, old = Pair.read(live), Pair.read(directory)
    web = next((service for service in services if service in WEB_TESTS), WEB)
    program = web.partition(".")[0]
    if new is None:
        raise Refused(f"There is no certificate in {live}. Order one: run the role certificate, or certbot renew.")
    running = [service for service in services if host.run(["systemctl", "is-active", "--quiet", service])[0] == 0]
    if new == old and (web not in running or all(is_served(new, name, host) for name in names)):
        return "The certificate is in use already." if web in running else f"It is installed; {web} does not run."
    prove(live, names, authorities)
    new.install(directory)
    if web in running:
        code, said = host.run(WEB_TESTS[web])
        if code != 0:
            # It has read nothing yet: it goes on with what it has.
            raise Refused(f"{program} refuses its configuration: {said} {put_back(new, old, directory)} Correct it.")
    unloaded = reload(running, host)
    wrong = [name for name in names if web in running and not becomes_served(new, name, host)]
    if wrong:
        back = put_back(new, old, directory)
        reload(running, host)
        raise Refused(
            f"{program} was reloaded, but does not show the new certificate for {', '.join(wrong)}. {back} "
            f"See journalctl -u {web}, and whether another program or proxy holds port 443."
        )
    if unloaded:
        raise Refused(f"The new certificate is installed, but not every service has read it. {' '.join(unloaded)}")
    return f"The new certificate {new.fingerprint[:16]} is installed" + (" and served." if web in running else ".")


def put_back(new: Pair, old: Pair | None, directory: Path) -> str:
    """Install what was there before; says whether there was anything."""
    if old is None or old == new:
        return "There was no other certificate to go back to."
    old.install(directory)
    return f"The certificate of before, {old.fingerprint[:16]}, is installed again."


def reload(services: list[str], host: Host) -> list[str]:
    """Reloaded, never restarted: connections go on. Says which could not be."""
    said = {service: host.run(["systemctl", "reload", service]) for service in services}
    return [
        f"{service} was not reloaded: {text}. Reload it by hand." for service, (code, text) in said.items() if code != 0
    ]


def prove(live: Path, names: list[str], authorities: str) -> None:
    """Key, chain, dates and names, as a browser would judge them: by a handshake inside this process."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(live / "fullchain.pem", live / "privkey.pem")
    except ssl.SSLError as error:
        raise Refused(f"Key and certificate in {live} do not belong together ({error}). Order it again.") from error
    client = trusting(authorities)
    for name in names:
        try:
            shake_hands(client, server, name)
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or str(error)
            raise Refused(
                f"A browser would refuse the certificate in {live} for {name}: {reason.rstrip('.')}. The installed "
                "one stays. Order it with every name of certificate_names; a private authority goes into "
                "certificate_ca_file."
            ) from error


def trusting(authorities: str) -> ssl.SSLContext:
    """As browsers trust: Python from 3.13 on also wants formalities that authorities of companies often lack."""
    context = ssl.create_default_context(cafile=authorities)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    waiting = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while waiting:
        for side in list(waiting):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                waiting.remove(side)


def is_served(pair: Pair, name: str, host: Host) -> bool:
    try:
        return host.served(name) == pair.fingerprint
    except OSError:  # ssl.SSLError is one: what is shown is not to be trusted
        return False


def becomes_served(pair: Pair, name: str, host: Host) -> bool:
    end = host.clock() + PATIENCE
    while not is_served(pair, name, host):
        if host.clock() > end:
            return False
        host.sleep(0.5)
    return True


def served_here(authorities: str, port: int) -> Served:
    context = trusting(authorities)

    def served(name: str) -> str:
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        with plain, context.wrap_socket(plain, server_hostname=name) as tls:
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()

    return served


def run(command: t.Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, " ".join(done.stdout.split())


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring the certificate that certbot holds into use, proven.")
    parser.add_argument("--live", type=Path, required=True, help="folder that certbot keeps current")
    parser.add_argument("--directory", type=Path, required=True, help="folder that the services read")
    parser.add_argument("--name", action="append", required=True, help="host name that must be covered and served")
    parser.add_argument("--service", action="append", default=[], help="service to reload where it runs")
    given = parser.parse_args()
    host = Host(run, served_here(AUTHORITIES, 443))
    try:
        print(deploy(given.live, given.directory, given.name, given.service, AUTHORITIES, host))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
