# SPDX-License-Identifier: Apache-2.0
"""What reads and writes records from Python."""
from abc import ABC, abstractmethod


class DataHandler(ABC):
    @abstractmethod
    def read(self, path=None):
        """Returns the records, a list of maps."""

    @abstractmethod
    def write(self, data, path):
        """Writes a list of maps."""

    @abstractmethod
    def get_files(self):
        """Returns the paths that there are to read."""


class NotYetHandler(DataHandler):
    """A name that code imports, for a place that the engine does not know yet: `place` is its name, `instead` what to do."""

    place = ""
    instead = ""

    def __init__(self, source_config, output_config=None):
        self.source_config = source_config
        self.output_config = output_config

    def read(self, path=None):
        raise self._refusal("Reading from")

    def write(self, data, path=None):
        raise self._refusal("Writing to")

    def get_files(self):
        raise self._refusal("Listing files of")

    def _refusal(self, what):
        return NotImplementedError(f"{what} {self.place} is not there yet {self.instead}")
