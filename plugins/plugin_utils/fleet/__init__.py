# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One playbook for many sites, each in an ansible-playbook of its own, in the site's own folder.

1. `site`: what the folder's ansible.cfg says.
2. `run`: the playbook, and what its journal and its end say.
3. `summary`: what all sites came to.
"""
