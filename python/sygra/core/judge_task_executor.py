# SPDX-License-Identifier: Apache-2.0
"""The executor of judging tasks: their graph is given, not read."""
from sygra.core.base_task_executor import BaseTaskExecutor


class JudgeQualityTaskExecutor(BaseTaskExecutor):
    def __init__(self, args, data_quality_graph_config):
        super().__init__(args, graph_config_dict=data_quality_graph_config)
