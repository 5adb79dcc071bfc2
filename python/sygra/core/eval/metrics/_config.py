# SPDX-License-Identifier: Apache-2.0
"""Reads what a metric is configured with. Unknown keys are left alone: a task may hand all of them to all metrics."""


def text(metric, config, key, default=None):
    """A text that is not empty; required where there is no default."""
    value = config.get(key, default)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{type(metric).__name__}: {key} is required, a text (got {value!r})")
    return value


def number(metric, config, key, default, most=None):
    """A number from 0 to `most`."""
    try:
        value = float(config.get(key, default))
    except (TypeError, ValueError):
        raise ValueError(f"{type(metric).__name__}: {key} is a number (got {config.get(key)!r})") from None
    if not value >= 0 or (most is not None and value > most):
        limits = "at least 0" if most is None else f"from 0 to {most}"
        raise ValueError(f"{type(metric).__name__}: {key} is {limits} (got {value})")
    return value


def flag(metric, config, key, default):
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise ValueError(f"{type(metric).__name__}: {key} is true or false (got {value!r})")
    return value
