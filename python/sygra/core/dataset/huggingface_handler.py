# SPDX-License-Identifier: Apache-2.0
"""The name that code imports; the engine does not read from or write to the Hub yet."""
from sygra.core.dataset.data_handler_base import NotYetHandler


class HuggingFaceHandler(NotYetHandler):
    place = "the Hugging Face Hub"
    instead = ("(it comes with issue 7, data): use the package `datasets` in the hook itself, or a source of type `disk` "
               "with downloaded files")
