/* SPDX-License-Identifier: Apache-2.0 */
/* pytext: the text that Python 3 gives a JSON value: str(), repr() and format() with a format specification
 * (Python Library Reference, "Format Specification Mini-Language"; float repr as David Gay's shortest form).
 * Tested against Python itself. JSON null, true, arrays and objects print as None, True, list and dict. */
#ifndef SG_BASE_PYTEXT_H
#define SG_BASE_PYTEXT_H

#include "base/json.h"

/* A number's text as Python prints it after json.loads: 1.10 -> 1.1, 1e5 -> 100000.0, 1E400 -> inf; ints of any size. */
void sg_py_number(struct sg_buf *b, struct sg_str number);
void sg_py_double(struct sg_buf *b, double v); /* float.__repr__ */
void sg_py_str(struct sg_buf *b, const struct sg_json *v);
void sg_py_repr(struct sg_buf *b, const struct sg_json *v);
void sg_py_ascii(struct sg_buf *b, const struct sg_json *v);

/* format(v, spec), after the conversion `conv` ('r', 's', 'a', or 0). Errors: SG_E_TYPE or SG_E_SYNTAX with Python's
 * reason in our words; SG_E_LIMIT for a width or precision over 1,000,000. */
int sg_py_format(struct sg_buf *b, const struct sg_json *v, char conv, struct sg_str spec, struct sg_err *err);

#endif
