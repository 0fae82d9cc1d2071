# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle: one signed folder with everything that a site without internet needs.

Read in this order: `build` (`Request` → a folder), then what it gathers: `site_files` (inventory, plan and manual,
without secrets), `galaxy` (collections), `wheels` (Python packages), `roles` (which Debian packages the roles install)
and `debian` (these with all that they need). `store` keeps what was fetched. `licences` and `components` say what it
consists of. `manifest` lists, seals and signs it; `media` cuts it into pieces. The scripts that go into it are
`verify.sh`, `countersign.sh` and `install.sh`, and `join.sh` beside the pieces.
"""
