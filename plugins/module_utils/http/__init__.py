# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for those who fetch and for those who look. Nothing here knows of backups or portals.

Read in this order: `tls` (whom a client trusts), `proxy` (a connection, through the environment's proxy if there is
one), `response` (`Body`, and why there is none: `HttpRefused`, `Interrupted`, `Unusable`), `client` (`Client`: GET with
ranges over connections that stay open). `visitor` (`HttpClient`) shows what a visitor gets: it follows no redirect,
repeats nothing, and judges a certificate only when asked to.
"""
