# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entitlements: licence files held against what a site really uses. A licence is trusted as far as it can be proven.

Read in this order: `uses` (`Use`: a feature that the site has declared, or that was seen in use; the licensed modules
of Asterisk), `licence` (`LicenceFile`: how the inventory says that a file is to be read; `Licence`: what stands in it),
`judge` (findings and debts). `documents` makes a tree of the bytes of a file, whatever its format, and finds fields in
it; `signed` opens what is signed, if the signature is right; `dates` says until which moment something is valid;
`identity` says whether a licence is for this host.
"""
