# SPDX-License-Identifier: Apache-2.0
"""The run's live figures in this process: the object of the engine's last `progress` event. Whoever holds the socket to
the engine feeds it; `sygra.metadata.metadata_collector` shows it, imported before or after.
"""

_last = {}


def feed(figures):
    global _last
    _last = figures


def last():
    return _last
