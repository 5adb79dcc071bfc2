# SPDX-License-Identifier: Apache-2.0
"""Whether a point lies in a box."""
from sygra.core.eval.metrics import _config
from sygra.core.eval.metrics.unit_metrics.base_unit_metric import PairMetric
from sygra.core.eval.metrics.unit_metrics.unit_metric_registry import unit_metric


@unit_metric("action_within_bbox")
class ActionWithinBboxMetric(PairMetric):
    """Config: `predicted_x_key` x, `predicted_y_key` y, `golden_bbox_key` bbox: a map of x, y, width and height. Its
    borders belong to it.
    """

    about = ("action_within_bbox", "Action Within BBox", "The point lies in the box")

    def validate_config(self):
        self.predicted_x_key = _config.text(self, self.config, "predicted_x_key", "x")
        self.predicted_y_key = _config.text(self, self.config, "predicted_y_key", "y")
        self.golden_bbox_key = _config.text(self, self.config, "golden_bbox_key", "bbox")

    def judge(self, golden, predicted):
        point = predicted.get(self.predicted_x_key), predicted.get(self.predicted_y_key)
        detail = {
            "predicted_x_key": self.predicted_x_key,
            "predicted_y_key": self.predicted_y_key,
            "golden_bbox_key": self.golden_bbox_key,
        }
        return _is_within(point, golden.get(self.golden_bbox_key)), detail


def _is_within(point, box):
    try:
        x, y = float(point[0]), float(point[1])
        left, top = float(box["x"]), float(box["y"])
        return left <= x <= left + float(box["width"]) and top <= y <= top + float(box["height"])
    except (KeyError, TypeError, ValueError):
        return False
