/* SPDX-License-Identifier: Apache-2.0 */
/* recipe: the task folders that ship with the program, below sygra/recipes of its Python package, by name and version. */
#ifndef SG_CONFIG_RECIPE_H
#define SG_CONFIG_RECIPE_H

#include "config/locate.h"

/* `uses: name@version` or `uses: name`. NULL after a report. */
const struct sg_task_file *sg_cfg_recipe(struct sg_cfg *c, const struct sg_yaml *uses, struct sg_str path);
/* Which recipe a task file is; without a name: none. */
struct sg_recipe_spec sg_cfg_recipe_of(struct sg_cfg *c, const struct sg_task_file *task);
/* "recipes are a@1 and b@2", or why there are none. */
const char *sg_cfg_recipes(struct sg_cfg *c);

#endif
