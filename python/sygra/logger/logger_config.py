# SPDX-License-Identifier: Apache-2.0
"""`logger`: what hooks log. It goes where their prints go: in a host into the run's log, with record and node."""
import logging
import sys


class _CurrentStderr(logging.Handler):
    """Asks for sys.stderr at each message: a host gives every call its own."""

    def emit(self, record):
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


def _internal_logger():
    log = logging.getLogger("sygra")
    if not log.handlers:
        handler = _CurrentStderr()
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
    return log


class LoggerAdapter:
    """One face for the logger of this package and for one that the user brings: an object with the methods
    `debug`, `info`, `warn`, `error` and `exception`, each of which takes a text.
    """

    def __init__(self, external_logger=None):
        self._external_logger = external_logger
        self._internal_logger = _internal_logger()

    def debug(self, msg, *args, **kwargs):
        self._log("debug", msg, args, kwargs)

    def info(self, msg, *args, **kwargs):
        self._log("info", msg, args, kwargs)

    def warning(self, msg, *args, **kwargs):
        self._log("warning", msg, args, kwargs)

    warn = warning

    def error(self, msg, *args, **kwargs):
        self._log("error", msg, args, kwargs)

    def exception(self, msg, *args, **kwargs):
        self._log("exception", msg, args, kwargs)

    def critical(self, msg, *args, **kwargs):
        self._log("critical", msg, args, kwargs)

    def set_external_logger(self, external_logger):
        self._external_logger = external_logger

    def reset_to_internal(self):
        self._external_logger = None

    def is_using_external(self):
        return self._external_logger is not None

    def _log(self, level, msg, args, kwargs):
        if self._external_logger is None:
            getattr(self._internal_logger, level)(msg, *args, **kwargs)
            return
        text = str(msg) % args if args else str(msg)
        if level == "critical" and not hasattr(self._external_logger, "critical"):
            self._external_logger.error("CRITICAL: " + text)
        else:
            getattr(self._external_logger, "warn" if level == "warning" else level)(text)


logger = LoggerAdapter()


def set_external_logger(external_logger):
    """From now on `logger` hands everything to this object."""
    logger.set_external_logger(external_logger)


def reset_to_internal_logger():
    """Undoes set_external_logger."""
    logger.reset_to_internal()


def configure_logger(debug_mode=False, clear_logs=False, run_name=""):
    """Debug messages too, or not. The log file is the engine's: `clear_logs` has no effect here."""
    if not logger.is_using_external():
        named = f"%(levelname)s {run_name} - %(message)s" if run_name else "%(levelname)s %(message)s"
        log = _internal_logger()
        log.setLevel(logging.DEBUG if debug_mode else logging.INFO)
        log.handlers[0].setFormatter(logging.Formatter(named))


__all__ = ["LoggerAdapter", "configure_logger", "logger", "reset_to_internal_logger", "set_external_logger"]
