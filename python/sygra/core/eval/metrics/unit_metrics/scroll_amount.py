# SPDX-License-Identifier: Apache-2.0
"""Whether it was scrolled about as far as wanted."""
from sygra.core.eval.metrics import _config
from sygra.core.eval.metrics.unit_metrics.base_unit_metric import PairMetric
from sygra.core.eval.metrics.unit_metrics.unit_metric_registry import unit_metric


@unit_metric("scroll_amount")
class ScrollAmountMetric(PairMetric):
    """Config: `golden_amount_key` and `predicted_amount_key`, amount; `tolerance_percent` 20 of the wanted amount, and
    `scroll_threshold` 10, which counts where none was wanted.
    """

    about = ("scroll_amount", "Scroll Amount", "It scrolls about as far as it should")

    def validate_config(self):
        self.golden_amount_key = _config.text(self, self.config, "golden_amount_key", "amount")
        self.predicted_amount_key = _config.text(self, self.config, "predicted_amount_key", "amount")
        self.tolerance_percent = _config.number(self, self.config, "tolerance_percent", 20.0)
        self.scroll_threshold = _config.number(self, self.config, "scroll_threshold", 10.0)

    def judge(self, golden, predicted):
        wanted = float(golden.get(self.golden_amount_key, 0.0))
        came = float(predicted.get(self.predicted_amount_key, 0.0))
        difference = abs(wanted - came)
        if wanted == 0:
            is_valid, percent = difference <= self.scroll_threshold, float("inf") if came else 0.0
        else:
            percent = difference / abs(wanted) * 100
            is_valid = percent <= self.tolerance_percent
        return is_valid, {
            "is_valid": is_valid,
            "difference": difference,
            "difference_percent": percent,
            "tolerance_used": self.tolerance_percent,
            "scroll_threshold": self.scroll_threshold,
            "golden_scroll_amount": wanted,
            "predicted_scroll_amount": came,
        }
