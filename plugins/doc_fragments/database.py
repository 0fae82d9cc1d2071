# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option O(database), the same for every module that talks to MariaDB or MySQL."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - PyMySQL on the target (Debian package C(python3-pymysql))
options:
  database:
    description: How to reach the portal's database server, and which database is meant.
    type: dict
    suboptions:
      host:
        description: Host name or address of the server. Not used where O(database.unix_socket) is given.
        type: str
        default: localhost
      port:
        description: TCP port of the server.
        type: int
        default: 3306
      unix_socket:
        description: Path of the server's socket on the target.
        type: path
      name:
        description: Name of the portal's database.
        type: str
        required: true
      login_user:
        description: Account to log in with.
        type: str
        default: root
      login_password:
        description: Password of O(database.login_user). Leave it out where the server trusts the socket.
        type: str
      ca_path:
        description:
          - File on the target with the authorities that may have signed the server's certificate. With it the
            connection is encrypted, and one to a server without TLS or with another certificate is refused.
          - O(database.host) must be a name or an address of the certificate.
        type: path
"""
