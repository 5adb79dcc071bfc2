# SPDX-License-Identifier: Apache-2.0
"""Schemas of answers that tasks may name."""
try:
    from pydantic import BaseModel, Field
except ImportError as error:
    raise ImportError(f"{__name__} needs pydantic where the hooks run: pip install pydantic ({error})") from None


class SimpleResponse(BaseModel):
    """A text, and whether all went well."""

    message: str = Field(description="Response message")
    success: bool = Field(default=True, description="Operation success status")
