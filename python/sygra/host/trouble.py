# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, told so that the user finds the place: `ValueError: text (task_executor.py:12)`, and the lines of
their own code that led there.
"""
import os
import sysconfig
import traceback

_TEXT_MAX = 2000  # characters of an exception's text
_FRAMES_FIRST, _FRAMES_LAST = 4, 12  # of a traceback that is longer (a recursion has a thousand)

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FOREIGN = tuple(
    {os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {_PACKAGE}
)


class Trouble(Exception):
    """A call fails, by a fault of the protocol, without user code having raised."""

    def __init__(self, fault, message, details=""):
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.details = details


class Refused(Exception):
    """A hook cannot be loaded."""

    def __init__(self, message, details=""):
        super().__init__(message)
        self.message = message
        self.details = details


def explain(error):
    """(one line, details) of an exception that user code raised."""
    frames = _own_frames(error)
    place = _place(error, frames)
    line = _one_line(error)
    return (f"{line} ({place})" if place else line), _details(error, frames)


def shorten(text, length=200):
    """On one line; what no terminal should see, and what no UTF-8 knows, as escapes."""
    text = text if len(text) <= length else text[:length] + "…"
    text = text.replace("\r", " ").replace("\n", " ")
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def brief(value, length=80):
    """A value in a message: its repr, which is the user's code too, on one line."""
    try:
        return shorten(repr(value), length)
    except BaseException:
        return f"<{type(value).__name__}>"


def _one_line(error):
    try:
        text = str(error)
    except BaseException as worse:
        text = f"(its text cannot be had: {type(worse).__name__})"
    kind = type(error)
    name = kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, SyntaxError):
        text = error.msg or text
    return f"{name}: {shorten(text, _TEXT_MAX)}" if text else name


def _is_own(path):
    if path.startswith("<frozen ") or path.startswith(_FOREIGN):
        return False
    return not any(part in path for part in ("/site-packages/", "/dist-packages/"))


def _own_frames(error):
    """The frames of user code, outermost first; where there is none, the last ones of what it called."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if _is_own(f.filename)]
    if own:
        return own
    return [f for f in frames if not f.filename.startswith((_PACKAGE, "<frozen "))][-3:]


def _place(error, frames):
    if isinstance(error, SyntaxError) and error.filename:
        return f"{os.path.basename(error.filename)}:{error.lineno}"
    if not frames:
        return ""
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}"


def _details(error, frames):
    parts = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        parts.append(f"{_one_line(cause)}\n{_listing(_own_frames(cause))}which led to:\n")
    parts.append(_listing(frames))
    if isinstance(error, SyntaxError):
        parts.append("".join(traceback.format_exception_only(type(error), error)))
    return "".join(parts)


def _listing(frames):
    left_out = len(frames) - _FRAMES_FIRST - _FRAMES_LAST
    if left_out > 0:
        first, last = frames[:_FRAMES_FIRST], frames[-_FRAMES_LAST:]
        return f"{_lines(first)}  ... {left_out} more\n{_lines(last)}"
    return _lines(frames)


def _lines(frames):
    return "".join(traceback.StackSummary.from_list(frames).format())
