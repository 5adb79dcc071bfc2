/* SPDX-License-Identifier: Apache-2.0 */
/* pyorder: how Python 3 compares two JSON values with <, == and >. Numbers by their exact values, whatever their size, with
 * true as 1 and false as 0; texts by code points; lists item by item. Everything else is equal or not, and has no order.
 * Allocates nothing but for numbers of more than 63 digits, which it gives back. Tested against Python itself. */
#ifndef SG_BASE_PYORDER_H
#define SG_BASE_PYORDER_H

#include "base/json.h"

enum sg_order { SG_LESS = -1, SG_SAME, SG_GREATER, SG_NO_ORDER /* in Python a TypeError */ };

enum sg_order sg_py_order(const struct sg_json *a, const struct sg_json *b);
bool sg_py_equal(const struct sg_json *a, const struct sg_json *b);

#endif
