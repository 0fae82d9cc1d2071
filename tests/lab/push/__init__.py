# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the vendor's push server, true to its protocol: JavaScript without packages."""
