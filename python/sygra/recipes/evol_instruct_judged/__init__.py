# SPDX-License-Identifier: Apache-2.0
"""evol_instruct_judged: evol_instruct until a judge accepts what it makes. graph_config.yaml is the recipe."""
