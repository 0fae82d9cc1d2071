# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.bundle; the work is done on the controller by plugins/action/bundle.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Make the signed folder that a site without internet is built from
version_added: 0.1.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Gathers in one folder this collection, the collections that it depends on, their Python packages as wheels, the
    Debian packages of all roles with everything that these need, the site's inventory, plan and manual, the pages of
    the health checks, and the programs C(verify.sh), C(countersign.sh) and C(install.sh).
  - Lists what others wrote with versions and licences, as a page, as CSV and as an SBOM in CycloneDX.
  - Writes C(BUNDLE.json), which names every file with its SHA-256, the site, the version and the last day, and signs
    it by an SSH key.
  - Which Debian packages are needed is read from the roles. Where a release does not have one, such as Asterisk, it is
    named in RV(ignore:absent).
  - Nothing is fetched twice; the same input gives the same files. What is fetched is proven, Debian packages by the
    archive's signature.
  - A file of the site that holds a secret in the clear is refused. Pages with the supervisor's codes are kept back.
  - What is in the folder for users, and what the site does with it, is in C(docs/bundle.md).
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
requirements:
  - cyclonedx-python-lib and pip on the controller
  - apt and dpkg on the controller, which is a Debian machine
  - ssh-keygen on the controller, to sign
attributes:
  check_mode:
    support: partial
    details: It looks for secrets in the site's files, and fetches nothing. It always says that it would change.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: Where nothing differs but the time and the version, the bundle that is there stays.
options:
  dest:
    description:
      - Folder of the bundle. It is replaced as a whole, and by a rename, when the new one is complete.
      - A folder that is neither empty nor a bundle is refused.
    type: path
    required: true
  site:
    description: >-
      Name of the site, which is given again when the bundle is verified. The plan's if not set; the two may not differ.
    type: str
  version:
    description: >-
      Number that grows from bundle to bundle of a site. C(install.sh) refuses one that is smaller than what it has
      installed. The time in UTC as C(YYYYMMDDhhmmss) if not set.
    type: int
  valid_days:
    description: Days until the bundle is refused.
    type: int
    default: 90
  releases:
    description: Debian releases of hosts and controller, such as V(12) and V(13).
    type: list
    elements: str
    default: ["12", "13"]
  architecture:
    description: Debian's name of the processors.
    type: str
    choices: [amd64, arm64]
    default: amd64
  sources:
    description:
      - Archives of Debian packages, as lines of C(sources.list). C({codename}) stands for the release's name.
      - Those that this machine itself uses if not set.
      - Each archive must be signed. A line without C(signed-by) means O(keyring).
    type: list
    elements: str
    default: []
  keyring:
    description: Keys that O(sources) are signed by.
    type: path
    default: /usr/share/keyrings/debian-archive-keyring.gpg
  packages:
    description: Names of further Debian packages.
    type: list
    elements: str
    default: []
  debs:
    description: >-
      Packages of the site's own for each release, such as Asterisk: a mapping of V(12) or V(13) to a list of paths.
    type: dict
    default: {}
  inventory:
    description: Folder of the site's inventory.
    type: path
  plan:
    description: The site's plan.
    type: path
  manual:
    description: Folder of the operators' manual, taken as it is.
    type: path
  base:
    description: >-
      Folder of a bundle that the site has. The new one then holds only what differs from it, and cannot be used without
      it.
    type: path
  key_file:
    description: >-
      SSH key that signs: a file without a passphrase, or the public half of a key that ssh-agent holds. Without it,
      RV(ignore:sign) says how to sign.
    type: path
  cache:
    description: Folder that keeps what was fetched.
    type: path
    default: ~/.cache/boxlift/bundle
  refresh:
    description: >-
      Whether archives and indexes are asked for newer versions. Without it, what they said last time counts, and
      nothing is fetched that is in O(cache).
    type: bool
    default: true
  pieces:
    description: Folder that the bundle is also written to in pieces, each with a label, and with C(join.sh).
    type: path
  piece_size:
    description: Size of a piece at most, such as V(700M) or V(4G).
    type: str
    default: 4G
seealso:
  - module: boxlift.portal.package_repository
  - module: boxlift.portal.plan
"""

EXAMPLES = r"""
- name: Make a bundle for hosts of both releases
  boxlift.portal.bundle:
    dest: /srv/bundles/portal.example.com
    plan: "{{ inventory_dir }}/migration_plan.yml"
    inventory: "{{ inventory_dir }}"
    manual: manuals/portal.example.com
    key_file: ~/.ssh/bundle
  delegate_to: localhost
  run_once: true

- name: Make what changed since, on media of 700 MB
  boxlift.portal.bundle:
    dest: /srv/bundles/portal.example.com-update
    site: portal.example.com
    releases: ["12"]
    base: /srv/bundles/portal.example.com
    key_file: ~/.ssh/bundle.pub
    pieces: /srv/media
    piece_size: 700M
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
path:
  description: Folder of the bundle.
  returned: success
  type: str
  sample: /srv/bundles/portal.example.com
id:
  description: Name of the bundle, of the site and the version.
  returned: success
  type: str
  sample: portal.example.com-20261129223000
site:
  description: Name of the site.
  returned: success
  type: str
  sample: portal.example.com
manifest_sha256:
  description: Sum of C(BUNDLE.json), which stands for all files. Empty in check mode.
  returned: success
  type: str
  sample: cffe5dfe93774e6fab3aa21e2875579fb6b992e5633bc22c990abb92d36bd92e
files:
  description: Number of files, with those that lie in the base.
  returned: success
  type: int
  sample: 436
size:
  description: Bytes of the files in the folder.
  returned: success
  type: int
  sample: 200752375
absent:
  description: Packages of the roles that a release does not have, each with the release before it.
  returned: success
  type: list
  elements: str
  sample: [12 asterisk]
kept_back:
  description: Files that were given and are not in the bundle, since they are for the supervisor or for envelopes.
  returned: success
  type: list
  elements: str
  sample: [manual/codes.html]
fetched:
  description: Number of files that came from outside.
  returned: success
  type: int
  sample: 404
fetched_bytes:
  description: Bytes of these.
  returned: success
  type: int
  sample: 194820355
sign:
  description: Command that signs the bundle. Empty where it is signed, and in check mode.
  returned: success
  type: str
  sample: ssh-keygen -Y sign -n boxlift-bundle -f KEY < BUNDLE.json > BUNDLE.sig.contractor
pieces:
  description: Names of the pieces.
  returned: success
  type: list
  elements: str
  sample: [portal.example.com-20261129223000.0001]
"""
