# SPDX-License-Identifier: Apache-2.0
"""What runs on the text of a model's answer before anything else sees it (`post_process` of a models.yaml entry)."""
from abc import ABC, abstractmethod


class ModelPostProcessor(ABC):
    @abstractmethod
    def apply(self, generated_text: str) -> str:
        """Returns the text to go on with."""


class RemoveThinkData(ModelPostProcessor):
    """Cuts the first thought of a reasoning model out, tags included; the rest stays as it is, blanks too.

    A text that has not both tags, or has them the wrong way round, stays whole. So does None, an answer that only
    calls tools.
    """

    def __init__(self, start_tag: str = "<think>", end_tag: str = "</think>"):
        self.start_tag = start_tag
        self.end_tag = end_tag

    def apply(self, generated_text: str) -> str:
        if not generated_text:
            return generated_text
        start = generated_text.find(self.start_tag)
        end = generated_text.find(self.end_tag)
        if start < 0 or end < start:
            return generated_text
        return generated_text[:start] + generated_text[end + len(self.end_tag) :]
