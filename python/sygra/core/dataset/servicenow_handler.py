# SPDX-License-Identifier: Apache-2.0
"""The name that code imports; the engine does not talk to ServiceNow yet."""
from sygra.core.dataset.data_handler_base import DataHandler

_NOT_YET = (
    "{} ServiceNow is not there yet (it comes after issue 8): use the package `pysnc` in the hook itself, or a source "
    "of type `disk` with an export"
)


class ServiceNowHandler(DataHandler):
    def __init__(self, source_config, output_config=None):
        self.source_config = source_config
        self.output_config = output_config

    def read(self, path=None):
        raise NotImplementedError(_NOT_YET.format("Reading from"))

    def write(self, data, path=None):
        raise NotImplementedError(_NOT_YET.format("Writing to"))

    def get_files(self):
        return []  # tables are no files
