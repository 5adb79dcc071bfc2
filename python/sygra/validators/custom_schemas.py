# SPDX-License-Identifier: Apache-2.0
"""A sample of what `schema_config: {schema: …}` can name: a pydantic class with a validator of its own."""
from typing import Any, Dict, List

try:
    from pydantic import BaseModel, model_validator
except ImportError as error:
    raise ImportError(f"{__name__} needs pydantic 2 where the hooks run: pip install pydantic ({error})") from None


class CustomUserSchema(BaseModel):
    id: int
    conversation: List[Dict[str, Any]]
    taxonomy: List[Dict[str, Any]]
    annotation_type: List[str]
    language: List[str]
    tags: List[str]

    @model_validator(mode="before")
    @classmethod
    def check_non_empty_lists(cls, values):
        if not values.get("id"):
            raise ValueError("a record needs an `id`")
        return values
