# SPDX-License-Identifier: Apache-2.0
"""What all metrics have in common."""
from abc import ABC, abstractmethod

from sygra.core.eval.metrics.base_metric_metadata import BaseMetricMetadata


class BaseMetric(ABC):
    """Made with its configuration as keywords, which `validate_config` reads out of `self.config`. A subclass calls it
    and `self.metadata = self.get_metadata()` at the end of its `__init__`.
    """

    def __init__(self, **config):
        self.config = config

    @abstractmethod
    def validate_config(self):
        """Reads `self.config`; raises ValueError for what it cannot use."""

    @abstractmethod
    def get_metadata(self):
        """Returns a BaseMetricMetadata."""

    def get_metric_name(self):
        return self.metadata.name


class BuiltIn:
    """Before a BaseMetric: configured at once; `about` says its name, the name that people see, and what it tells."""

    about = ()

    def __init__(self, **config):
        super().__init__(**config)
        self.validate_config()
        self.metadata = self.get_metadata()

    def get_metadata(self):
        name, display_name, description = self.about
        return BaseMetricMetadata(name, display_name, description, metric_type="industry")
