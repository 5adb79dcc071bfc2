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
