# SPDX-License-Identifier: Apache-2.0
"""The metrics of single answers by name. `@unit_metric("name")` adds a class."""
from sygra.core.eval.metrics import _registry


class UnitMetricRegistry(_registry.MetricRegistry):
    _metrics = {}
    _package = "sygra.core.eval.metrics.unit_metrics"
    _base = "sygra.core.eval.metrics.unit_metrics.base_unit_metric:BaseUnitMetric"
    _noun = "Unit metric"


def unit_metric(name):
    return _registry.decorator(UnitMetricRegistry, name)
