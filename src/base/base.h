/* SPDX-License-Identifier: Apache-2.0 */
/* base: what every module stands on. This header is the shelf; each file of the folder has its own contract. */
#ifndef SG_BASE_BASE_H
#define SG_BASE_BASE_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/os.h"
#include "base/place.h"
#include "base/proxy.h"
#include "base/pytext.h"
#include "base/redact.h"
#include "base/screen.h"
#include "base/str.h"

#endif
