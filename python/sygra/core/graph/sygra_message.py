# SPDX-License-Identifier: Apache-2.0
"""What a class post-processor is handed: a model's answer in a wrapper."""


class SygraMessage:
    """`message` is the AIMessage itself."""

    def __init__(self, msg):
        self._message = msg

    @property
    def message(self):
        return self._message
