# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all."""
import contextlib
import os


@contextlib.contextmanager
def replacing(path):
    """A text file to be written, which takes the place of `path` when that is done. An error, or an interrupt, leaves what
    was there."""
    new = f"{path}.new"
    try:
        with open(new, "w", encoding="utf-8", errors="surrogatepass") as file:
            yield file
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        raise
