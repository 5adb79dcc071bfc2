# SPDX-License-Identifier: Apache-2.0
"""This process as a hook host of a run: a socket to the program, served by a thread while the run goes."""
import socket
import threading


class Attached:
    """One end of a socket pair. `descriptor` is the other, for the child to inherit; `started` closes it here."""

    def __init__(self, closures, callbacks=None):
        self._mine, self._theirs = socket.socketpair()
        self.descriptor = self._theirs.fileno()

    def started(self):
        self._theirs.close()

    def tell_figures(self, figures):
        pass

    def close(self):
        self._mine.close()
        self._theirs.close()
