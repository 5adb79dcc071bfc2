# SPDX-License-Identifier: Apache-2.0
"""evol_instruct: an instruction made harder, or a rarer one of its field. graph_config.yaml is the recipe."""
