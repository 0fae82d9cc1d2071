# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Note every packet that is meant to leave the site's network: what its bridge gets is for none of the hosts on it.

usage: wire.py start NETWORK FILE    listens in the background, until the network is removed
       wire.py listen BRIDGE FILE

Hosts of one bridge reach each other without the bridge's own address. So whatever arrives there was sent to the default
route: a question to a name server, a package list, a time server. FILE gets a line for each packet.
"""

from __future__ import annotations

import errno
import ipaddress
import pathlib
import socket
import struct
import subprocess
import sys
import time

ALL_PROTOCOLS = 0x0003
IPV4, IPV6 = 0x0800, 0x86DD
ICMPV6, HOP_BY_HOP = 58, 0
DNS = " port 53"
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


def described(frame: bytes) -> str:
    """What a frame is, if it was meant to leave; empty for what a kernel says on its own link."""
    kind, packet = int.from_bytes(frame[12:14], "big"), frame[14:]
    if kind == IPV4 and len(packet) >= 20:
        start, protocol = 4 * (packet[0] & 15), packet[9]
        source, target = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
    elif kind == IPV6 and len(packet) >= 40:
        start, protocol = 40, packet[6]
        source, target = ipaddress.IPv6Address(packet[8:24]), ipaddress.IPv6Address(packet[24:40])
        # Neighbours are looked for, and groups joined, whether anybody wants to send or not.
        if protocol in (ICMPV6, HOP_BY_HOP):
            return ""
    else:
        return ""
    if PROTOCOLS.get(protocol) in ("tcp", "udp") and len(packet) >= start + 4:
        port = f" port {struct.unpack('!H', packet[start + 2 : start + 4])[0]}"
    else:
        port = ""
    name = asked(packet[start + 8 :]) if port == DNS else ""
    return f"{source} to {target} {PROTOCOLS.get(protocol, protocol)}{port}{name}"


def asked(message: bytes) -> str:
    """The name that a question to a name server is about."""
    labels, at = [], 12
    while at < len(message) and message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("ascii", "replace"))
        at += 1 + message[at]
    return f": {'.'.join(labels)}"


def listen(bridge: str, file: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as wire:
        wire.bind((bridge, 0))
        with open(file, "w", encoding="utf-8", buffering=1) as noted:
            noted.write("listening\n")
            while True:
                try:
                    frame, address = wire.recvfrom(65535)
                except OSError as error:
                    if error.errno in (errno.ENETDOWN, errno.ENODEV):
                        return  # the network was removed
                    raise
                text = "" if address[2] == socket.PACKET_OUTGOING else described(frame)
                if text:
                    noted.write(f"{text}\n")


def start(network: str, file: str) -> None:
    """Returns when it listens."""
    inspect = ["docker", "network", "inspect", "--format", "{{.Id}}", network]
    done = subprocess.run(inspect, capture_output=True, text=True, check=True)
    noted = pathlib.Path(file)
    noted.unlink(missing_ok=True)
    listener = subprocess.Popen(
        [sys.executable, __file__, "listen", f"br-{done.stdout[:12]}", file],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not noted.exists() or not noted.read_text(encoding="utf-8"):
        if listener.poll() is not None or time.monotonic() > end:
            sys.exit(f"Nobody listens at {network}.")
        time.sleep(0.1)


if __name__ == "__main__":
    {"start": start, "listen": listen}[sys.argv[1]](*sys.argv[2:])
