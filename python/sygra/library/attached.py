# SPDX-License-Identifier: Apache-2.0
"""This process as a hook host of a run: a socket to the program, served by threads while the run goes.

Closures run here, several at a time where they wait for something (the GIL lets one compute). What they print goes where
prints of this process go. Figures and events of the run come the same way.
"""
import logging
import socket
import threading

from sygra import _figures

logger = logging.getLogger("sygra")


class Attached:
    """One end of a socket pair. `descriptor` is the other, for the child to inherit; `started` closes it here, and begins
    to serve. `tracker` is told the run's events, if its callbacks want them."""

    def __init__(self, closures, tracker=None):
        from sygra.host.serve import Host  # with its event loop: a part of the start that only runs need

        self._mine, self._theirs = socket.socketpair()
        self.descriptor = self._theirs.fileno()
        on_event = tracker.tell if tracker and tracker.callbacks.wants_events() else None
        self._host = Host(self._mine, closures=closures, on_figures=_figures.feed, on_event=on_event)
        self._thread = threading.Thread(target=self._serve, name="sygra-host", daemon=True)

    def started(self):
        """The child has its end."""
        self._theirs.close()
        self._thread.start()

    def _serve(self):
        try:
            self._host.serve()
        except OSError:
            pass  # the program has died; its exit status says so
        except Exception:
            logger.exception("serving the run's closures failed")
        finally:
            self._end()  # the program sees that nobody serves any more, and stops

    def _end(self):
        try:
            self._mine.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        self._theirs.close()
        self._end()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(1)  # a closure may be at work still; it ends by itself
        self._mine.close()
