# SPDX-License-Identifier: Apache-2.0
"""Names of metrics: the same for those of single answers and for those of many."""
import importlib
import pkgutil
import threading

from sygra.logger.logger_config import logger

_discovery = threading.RLock()  # hooks run on threads; modules that are being imported may ask in turn


class MetricRegistry:
    """Class methods only. A subclass says which package holds the built-in metrics, which class all derive from, and
    what they are called in messages; it has its own `_metrics`. The package is imported when a name is first asked for.
    """

    _metrics = {}
    _discovered = False
    _discovering = False
    _package = ""
    _base = ""  # module:class
    _noun = "metric"

    @classmethod
    def register(cls, name, metric_class):
        if not name or not isinstance(name, str):
            raise ValueError("a metric is registered by a text as its name")
        if not isinstance(metric_class, type):
            raise ValueError(f"{name}: what is registered is a class, not a {type(metric_class).__name__}")
        if not issubclass(metric_class, cls._base_class()):
            base = cls._base_class().__name__
            raise ValueError(f"{name}: {metric_class.__name__} is not derived from {base}")
        if cls._metrics.get(name, metric_class) is not metric_class:
            logger.warning("%s '%s' is already registered: %s takes its place", cls._noun, name, metric_class.__name__)
        cls._metrics[name] = metric_class

    @classmethod
    def get_metric(cls, name, **kwargs):
        """An instance, made with the arguments."""
        return cls.get_metric_class(name)(**kwargs)

    @classmethod
    def get_metric_class(cls, name):
        cls._ensure_discovered()
        if name not in cls._metrics:
            raise KeyError(f"there is no {cls._noun} '{name}'; there are {cls.list_metrics()}")
        return cls._metrics[name]

    @classmethod
    def list_metrics(cls):
        cls._ensure_discovered()
        return sorted(cls._metrics)

    @classmethod
    def has_metric(cls, name):
        cls._ensure_discovered()
        return name in cls._metrics

    @classmethod
    def unregister(cls, name):
        """Whether it was there."""
        return cls._metrics.pop(name, None) is not None

    @classmethod
    def clear(cls):
        """Forgets all; built-in ones do not come back."""
        cls._discovered = True
        cls._metrics.clear()

    @classmethod
    def get_metrics_info(cls):
        cls._ensure_discovered()
        return {name: {"class": kind.__name__, "module": kind.__module__} for name, kind in cls._metrics.items()}

    @classmethod
    def _ensure_discovered(cls):
        if cls._discovered:
            return
        with _discovery:
            if cls._discovered or cls._discovering:
                return
            cls._discovering = True
            try:
                package = importlib.import_module(cls._package)
                for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
                    importlib.import_module(module.name)
            finally:
                cls._discovering = False
            cls._discovered = True

    @classmethod
    def _base_class(cls):
        module, _, name = cls._base.partition(":")
        return getattr(importlib.import_module(module), name)


def decorator(registry, name):
    """For `@unit_metric(name)` and `@aggregator_metric(name)`."""

    def registered(metric_class):
        if not issubclass(metric_class, registry._base_class()):
            raise TypeError(f"{metric_class.__name__} is not derived from {registry._base_class().__name__}")
        registry.register(name, metric_class)
        return metric_class

    return registered
