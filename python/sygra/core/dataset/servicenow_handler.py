# SPDX-License-Identifier: Apache-2.0
"""The name that code imports; the engine does not talk to ServiceNow yet."""
from sygra.core.dataset.data_handler_base import NotYetHandler


class ServiceNowHandler(NotYetHandler):
    place = "ServiceNow"
    instead = ("(it comes after issue 8): use the package `pysnc` in the hook itself, or a source of type `disk` with an "
               "export")

    def get_files(self):
        return []  # tables are no files
