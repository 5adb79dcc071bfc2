/* SPDX-License-Identifier: Apache-2.0 */
/* models: an alias of a node becomes a complete model: the entry of the first file that has the name, the
 * environment's SYGRA_<NAME>_* over it, the node's own keys over that (spec-models 1.1, 1.2).
 *
 * Secrets: tokens are registered with the redactor as they are read, and bound to the address given beside them
 * (D14). */
#ifndef SG_CONFIG_MODELS_H
#define SG_CONFIG_MODELS_H

#include "config/check.h"

/* The model that a node's `model` map means. `mark` is the place to name when keys are missing: the key `model`.
 * Mistakes are reported; NULL when too little is left to work with. */
struct sg_model_spec *sg_models_resolve(struct sg_cfg *c, const struct sg_yaml *node_model, struct sg_mark mark,
                                        struct sg_str path);

/* Fills s->route; the addresses are there already. */
void sg_models_set_route(struct sg_cfg *c, const struct sg_yaml *merged, struct sg_model_spec *s, struct sg_str path);
/* Fills s->tls from the merged entry and the environment; addresses and route are there already. */
void sg_models_set_tls(struct sg_cfg *c, const struct sg_yaml *merged, struct sg_model_spec *s, struct sg_str path);

/* The form of structured_output, and that it has no effect yet. */
void sg_models_check_schema(struct sg_cfg *c, const struct sg_yaml *merged, struct sg_str path);

/* Entries for the aliases that the reference ships, as YAML, and the embedded demo model. */
extern const char sg_models_builtin[];

#endif
