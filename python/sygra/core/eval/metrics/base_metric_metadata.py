# SPDX-License-Identifier: Apache-2.0
"""What a metric says about itself."""
from dataclasses import asdict, dataclass
from typing import Tuple


@dataclass
class BaseMetricMetadata:
    name: str
    display_name: str
    description: str
    range: Tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True
    metric_type: str = "custom"  # or industry

    def model_dump(self):
        return asdict(self)
