# SPDX-License-Identifier: Apache-2.0
"""Whether it was scrolled the right way."""
from sygra.core.eval.metrics import _config
from sygra.core.eval.metrics.unit_metrics.base_unit_metric import PairMetric
from sygra.core.eval.metrics.unit_metrics.unit_metric_registry import unit_metric


@unit_metric("scroll_direction")
class ScrollDirectionMetric(PairMetric):
    """Config: `golden_direction_key` and `predicted_direction_key`, direction: up, down, left or right."""

    about = ("scroll_direction", "Scroll Direction", "It scrolls the way that it should")

    def validate_config(self):
        self.golden_direction_key = _config.text(self, self.config, "golden_direction_key", "direction")
        self.predicted_direction_key = _config.text(self, self.config, "predicted_direction_key", "direction")

    def judge(self, golden, predicted):
        wanted, came = golden.get(self.golden_direction_key), predicted.get(self.predicted_direction_key)
        is_right = isinstance(came, str) and came == wanted and came in ("up", "down", "left", "right")
        return is_right, {"golden_direction": wanted, "predicted_direction": came}
