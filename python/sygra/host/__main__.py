# SPDX-License-Identifier: Apache-2.0
"""`python -m sygra.host`, or the path of this folder: a host on descriptor 3, its work page on descriptor 4."""
import os
import struct
import sys

_OLDEST = (3, 9)


def _refuse_old():
    """One line, as a frame that the engine quotes: any Python must be able to read this file down to here."""
    text = "this is Python %d.%d.%d, and hooks need %d.%d or newer: choose another interpreter with --python" % (
        sys.version_info[:3] + _OLDEST)
    frame = b"p" + struct.pack("=Q", 0) + text.encode("ascii")
    os.write(3, struct.pack("<I", len(frame)) + frame)
    os._exit(1)


if sys.version_info < _OLDEST:
    _refuse_old()

import faulthandler  # noqa: E402
import mmap  # noqa: E402
import socket  # noqa: E402
import stat  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

_PAGE_BYTES = 8192
_LAST_WORDS = 4096  # where the second half of the page begins
_GRACE = 1.0  # seconds for user code that is at work when the engine has gone

if not __package__:  # started by its path: only this package, and not the folder of the host, is to be importable
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _work_page():
    """Descriptor 4 as (buffer of u64, mapping), or None where there is none."""
    try:
        if not stat.S_ISREG(os.fstat(4).st_mode) or os.fstat(4).st_size < _PAGE_BYTES:
            return None
    except OSError:
        return None
    os.set_inheritable(4, False)
    page = mmap.mmap(4, _PAGE_BYTES)
    os.lseek(4, _LAST_WORDS, os.SEEK_SET)
    faulthandler.enable(4, all_threads=False)
    os.register_at_fork(after_in_child=_leave_page)
    return memoryview(page)[:_LAST_WORDS].cast("Q")


def _leave_page():
    """A child's crash is not ours."""
    faulthandler.disable()
    os.close(4)


def _end_for_sure(host):
    host.wait_for_end()
    time.sleep(_GRACE)
    os._exit(0)


def main():
    from sygra import _figures
    from sygra.host.serve import Host

    os.set_inheritable(3, False)
    sock = socket.socket(fileno=3)
    sock.setblocking(True)
    host = Host(sock, _work_page(), owns_process=True, on_figures=_figures.feed)
    threading.Thread(target=_end_for_sure, args=(host,), name="sygra-end", daemon=True).start()
    host.serve()
    host.close()


if __name__ == "__main__":  # a child made by multiprocessing imports this file too
    main()
