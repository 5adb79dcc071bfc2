# SPDX-License-Identifier: Apache-2.0
"""self_refinement: draft, judge, improve, until it is good. graph_config.yaml is the recipe."""
