# SPDX-License-Identifier: Apache-2.0
"""Whether what was typed is the wanted text, or near to it."""
from difflib import SequenceMatcher

from sygra.core.eval.metrics import _config
from sygra.core.eval.metrics.unit_metrics.base_unit_metric import PairMetric
from sygra.core.eval.metrics.unit_metrics.unit_metric_registry import unit_metric


@unit_metric("typed_value_match")
class TypedValueMatchMetric(PairMetric):
    """Config: `golden_text_key` and `predicted_text_key`, text; `fuzzy_match_threshold` 0.8, from 0 to 1."""

    about = ("typed_value_match", "Typed Value Match", "What is typed is what should be, or nearly")

    def validate_config(self):
        self.golden_text_key = _config.text(self, self.config, "golden_text_key", "text")
        self.predicted_text_key = _config.text(self, self.config, "predicted_text_key", "text")
        self.fuzzy_match_threshold = _config.number(self, self.config, "fuzzy_match_threshold", 0.8, most=1)

    def judge(self, golden, predicted):
        wanted = str(golden.get(self.golden_text_key, ""))
        came = str(predicted.get(self.predicted_text_key, ""))
        detail = self._compare(_normal(wanted), _normal(came))
        is_right = detail["exact_match"] or detail["fuzzy_match"]
        return is_right, {"golden_text": wanted, "predicted_text": came, **detail}

    def _compare(self, wanted, came):
        matcher = SequenceMatcher(None, wanted, came)
        similarity = matcher.ratio()
        return {
            "exact_match": wanted == came,
            "similarity_score": similarity,
            "fuzzy_match": similarity >= self.fuzzy_match_threshold,
            "differences": [
                {"operation": operation, "golden": wanted[i:j], "predicted": came[k:m]}
                for operation, i, j, k, m in matcher.get_opcodes()
                if operation != "equal"
            ],
        }


def _normal(text):
    return " ".join(text.split()).lower()
