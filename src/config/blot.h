/* SPDX-License-Identifier: Apache-2.0 */
/* blot: a copy of a configuration file that can be shown. Messages print the line they speak of; a line may hold a
 * token. */
#ifndef SG_CONFIG_BLOT_H
#define SG_CONFIG_BLOT_H

#include "base/base.h"

/* The text with every character of the values of secret keys (auth_token, password, ...) as `*`: same lines, same
 * columns. The text itself where there is no such key. */
struct sg_str sg_config_blot(struct sg_arena *a, struct sg_str text);
/* True for names such as auth_token, password, Authorization. */
bool sg_config_is_secret_name(struct sg_str name);

#endif
