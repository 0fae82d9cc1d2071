# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a portal: its configuration files and its tables.

- Files: `files` finds, reads and replaces them; `php` edits them as text; `settings` brings declared values in.
- Tables: `options` (`b_option`), `site` (the portal's domain, wherever it is stored), `caches`.
- The whole portal: `info` (version, modules, counts), `login` (how it reaches its database), `compare` (two portals),
  `life` (what people have done since a moment).
- Copies: `copying` and `rsync` copy a portal in service, `copymark` proves that a host is a copy, and `neutralize`,
  with the rules of `silence`, makes it harmless.

Most of them are pairs: `plan` finds out what has to change and changes nothing, `apply` (or `Change.write`) does it.
`redact` masks secrets in what is shown.
"""
