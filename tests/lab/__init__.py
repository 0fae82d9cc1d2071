# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: images, the simulated cloud, the fixture portal and the writer of the vendor's archive format."""
