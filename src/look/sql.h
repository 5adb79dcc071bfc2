/* SPDX-License-Identifier: Apache-2.0 */
/* sql: what a query's files share. Private to look. */
#ifndef SG_LOOK_SQL_H
#define SG_LOOK_SQL_H

#include "look/parts.h"

#include <sqlite3.h>

/* outputs(position, outcome, json), of the run that the module's client data name. Asked for by position it reads one line,
 * else all in their order; lines are only read where `json` is wanted. */
extern const struct sqlite3_module sg_outputs_module;

#endif
