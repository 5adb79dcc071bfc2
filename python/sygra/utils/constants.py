# SPDX-License-Identifier: Apache-2.0
"""Names that hooks and the framework agree on. Those of the reference that only its own internals use are not here."""
import os
import sys

BACKEND = "langgraph"

SYGRA_START = sys.intern("__start__")
SYGRA_END = sys.intern("__end__")
START = "START"
END = "END"

ROOT_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the folder of this package
INTERMEDIATE = "_intermediate."

CHAT_CONVERSATION_MULTITURN = "multiturn"
CHAT_CONVERSATION_SINGLETURN = "singleturn"

VAR_REQUESTS = "__requests__"
VAR_RESPONSES = "__responses__"
VAR_LAST_NODES = "__last_node__"
VAR_CHAT_HISTORY = "__chat_history__"
KEY_NAME = "name"
KEY_REQUEST = "request"
KEY_RESPONSE = "response"

GRAPH_OUTPUT_KEY = "output_keys"
ERROR_PREFIX = "###SERVER_ERROR###"  # in this engine an error is never part of a text
HF_TOKEN = "HF_TOKEN"
DEFAULT_TIMEOUT = 120  # seconds
LIST_SEPARATOR = "|"  # between the values of a list in an environment variable

ALIAS_JOINER = "->"
DEFAULT_ALIAS = "__others__"
DATASET_ALIAS = "alias"
DATASET_JOIN_TYPE = "join_type"
PRIMARY_KEY = "primary_key"
JOIN_KEY = "join_key"
JOIN_TYPE_PRIMARY = "primary"
JOIN_TYPE_VSTACK = "vstack"
JOIN_TYPE_SEQUENTIAL = "sequential"
JOIN_TYPE_RANDOM = "random"
JOIN_TYPE_CROSS = "cross"
JOIN_TYPE_COLUMN = "column"
