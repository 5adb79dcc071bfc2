#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/base/unicode_nonprintable.h: the code points that Python's repr() escapes (str.isprintable() is false).

Run with the Python whose Unicode version is wanted; the version is written into the file:
    python3 tools/gen_unicode_tables.py > src/base/unicode_nonprintable.h
"""
import sys
import unicodedata

NOT_PRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}  # unicodectype.c; the space is printable
PER_LINE = 12


def changes():
    """Where printable and not printable take turns, from U+0080 on; the first starts a range that is not printable."""
    printable = True
    for c in range(0x80, sys.maxunicode + 1):
        now = unicodedata.category(chr(c)) not in NOT_PRINTABLE
        assert now == chr(c).isprintable(), hex(c)
        if now != printable:
            yield c
        printable = now
    assert not printable


def main():
    table = [f"0x{c:X}" for c in changes()]
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print(f"/* Made by tools/gen_unicode_tables.py from Unicode {unicodedata.unidata_version}. Do not edit. */")
    print("/* From U+0080 on: code points where printable and not printable take turns; entry 0 starts a range that is not. */")
    print("static const uint32_t nonprintable_changes[] = {")
    for i in range(0, len(table), PER_LINE):
        print("    " + ", ".join(table[i:i + PER_LINE]) + ",")
    print("};")


main()
