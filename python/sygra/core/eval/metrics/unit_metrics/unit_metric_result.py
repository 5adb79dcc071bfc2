# SPDX-License-Identifier: Apache-2.0
"""Whether one answer was right."""
from dataclasses import dataclass, field
from typing import Any, Dict


@dataclass
class UnitMetricResult:
    """`golden` is what was wanted, `predicted` what came, both maps; `metadata` says how they were compared."""

    correct: bool
    golden: Dict[str, Any]
    predicted: Dict[str, Any]
    metadata: Dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if not isinstance(self.metadata, dict):
            self.metadata = {}
        for name in ("golden", "predicted"):
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name} is a map, not a {type(getattr(self, name)).__name__}")

    def to_dict(self):
        return {
            "correct": self.correct,
            "golden": self.golden,
            "predicted": self.predicted,
            "metadata": self.metadata,
        }

    @classmethod
    def from_dict(cls, data):
        return cls(
            correct=data.get("correct", False),
            golden=data.get("golden", {}),
            predicted=data.get("predicted", {}),
            metadata=data.get("metadata", {}),
        )
