# SPDX-License-Identifier: Apache-2.0
"""Tells when the files of this package lie mixed with those of the original framework: both are `sygra` in Python,
and pip lets one write over the other.
"""
import os

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def check(package=_PACKAGE):
    """Raises ImportError if the distribution `sygra` is installed into the folder that holds this package. Installed
    elsewhere it does no harm: Python takes a package as a whole.
    """
    folder = os.path.dirname(package)
    for name in os.listdir(folder):
        distribution, dash, rest = name.partition("-")
        if dash and distribution.lower() == "sygra" and rest.endswith((".dist-info", ".egg-info")):
            raise ImportError(
                f"{folder} holds sygra {rest.rpartition('.')[0]} and sygra-native, and the files of one lie over those of "
                "the other. Keep one of them in an environment: pip uninstall sygra sygra-native, then pip install the one"
            )
