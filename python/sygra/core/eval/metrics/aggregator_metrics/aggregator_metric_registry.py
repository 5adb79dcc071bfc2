# SPDX-License-Identifier: Apache-2.0
"""The metrics of many answers by name. `@aggregator_metric("name")` adds a class."""
from sygra.core.eval.metrics import _registry


class AggregatorMetricRegistry(_registry.MetricRegistry):
    _metrics = {}
    _package = "sygra.core.eval.metrics.aggregator_metrics"
    _base = "sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric:BaseAggregatorMetric"
    _noun = "Aggregator metric"


def aggregator_metric(name):
    return _registry.decorator(AggregatorMetricRegistry, name)
