# SPDX-License-Identifier: Apache-2.0
"""Whether two texts are the same."""
from sygra.core.eval.metrics import _config
from sygra.core.eval.metrics.unit_metrics.base_unit_metric import PairMetric
from sygra.core.eval.metrics.unit_metrics.unit_metric_registry import unit_metric


@unit_metric("exact_match")
class ExactMatchMetric(PairMetric):
    """Config: `case_sensitive` false, `normalize_whitespace` true, `key`: the text in both maps; without it the whole
    maps are compared as text.
    """

    about = ("exact_match", "Exact Match", "The two texts are the same")
    wraps_values = False

    def validate_config(self):
        self.case_sensitive = _config.flag(self, self.config, "case_sensitive", False)
        self.normalize_whitespace = _config.flag(self, self.config, "normalize_whitespace", True)
        self.key = self.config.get("key")

    def judge(self, golden, predicted):
        wanted, came = self._text(golden), self._text(predicted)
        detail = {
            "golden_text": wanted,
            "predicted_text": came,
            "case_sensitive": self.case_sensitive,
            "normalize_whitespace": self.normalize_whitespace,
        }
        return self._normal(wanted) == self._normal(came), detail

    def _text(self, value):
        return value.get(self.key, "") if self.key and isinstance(value, dict) else str(value)

    def _normal(self, text):
        text = " ".join(str(text).split()) if self.normalize_whitespace else str(text)
        return text if self.case_sensitive else text.lower()
