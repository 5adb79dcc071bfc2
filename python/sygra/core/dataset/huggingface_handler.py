# SPDX-License-Identifier: Apache-2.0
"""The name that code imports; the engine does not read from or write to the Hub yet."""
from sygra.core.dataset.data_handler_base import DataHandler

_NOT_YET = (
    "{} the Hugging Face Hub is not there yet (it comes with issue 7, data): use the package `datasets` in the hook "
    "itself, or a source of type `disk` with downloaded files"
)


class HuggingFaceHandler(DataHandler):
    def __init__(self, source_config, output_config=None):
        self.source_config = source_config
        self.output_config = output_config

    def read(self, path=None):
        raise NotImplementedError(_NOT_YET.format("Reading from"))

    def write(self, data, path=None):
        raise NotImplementedError(_NOT_YET.format("Writing to"))

    def get_files(self):
        raise NotImplementedError(_NOT_YET.format("Listing files of"))
