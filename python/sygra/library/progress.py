# SPDX-License-Identifier: Apache-2.0
"""How far a run is: in a notebook a line that is updated in place, on a terminal one that is written over, elsewhere, if
asked for, lines. Needs no package; IPython is used where it is running already."""
import sys


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython and hasattr(ipython, "get_ipython") else None
    return bool(shell) and type(shell).__name__ == "ZMQInteractiveShell"


def _duration(seconds):
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min {seconds % 60} s" if seconds < 3600 else f"{seconds // 3600} h {seconds % 3600 // 60} min"


def line(figures):
    """`42 of 100 records, 1 failed; 31.0 calls/s, 25 records under way, 12 s left`"""
    done = sum(figures.get(kind, 0) for kind in ("ok", "failed", "invalid", "dropped"))
    total = figures.get("total")
    records = [f"{done} of {total} records" if total else f"{done} records"]
    records += [f"{figures[kind]} {kind}" for kind in ("failed", "invalid", "dropped") if figures.get(kind)]
    rest = []
    if figures.get("event") == "summary":
        rest.append(f"{figures.get('state', 'finished')} after {_duration(figures.get('wall_s', 0))}")
    else:
        rest += [f"{figures.get('calls_per_s', 0):.1f} calls/s", f"{figures.get('in_flight', 0)} records under way"]
        rest += [f"{_duration(figures['left_s'])} left"] if "left_s" in figures else []
    if "cost_usd" in figures:
        rest.append(f"{figures['cost_usd']:.4f} USD")
    return "; ".join([", ".join(records), ", ".join(rest)])


class Silent:
    def show(self, figures):
        pass

    def close(self):
        pass


class Notebook(Silent):
    def __init__(self):
        from IPython.display import display
        self._display, self._handle = display, None

    def show(self, figures):
        text = {"text/plain": line(figures)}
        if self._handle:
            self._handle.update(text, raw=True)
        else:
            self._handle = self._display(text, raw=True, display_id=True)


class Terminal(Silent):
    def __init__(self, out):
        self._out, self._shown = out, False

    def show(self, figures):
        self._out.write("\r\x1b[K" + line(figures))
        self._out.flush()
        self._shown = True

    def close(self):
        if self._shown:
            self._out.write("\n")
            self._out.flush()


class Lines(Silent):
    def __init__(self, out):
        self._out = out

    def show(self, figures):
        print(line(figures), file=self._out, flush=True)


def choose(wanted=None):
    """wanted: True, False, or None: in a notebook and on a terminal only."""
    if wanted is False:
        return Silent()
    if _in_notebook():
        return Notebook()
    if getattr(sys.stderr, "isatty", lambda: False)():
        return Terminal(sys.stderr)
    return Lines(sys.stderr) if wanted else Silent()
