#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/base/unicode_width.h: the code points that take no column of a terminal, or two.

Run with the Python whose Unicode version is wanted; the version is written into the file:
    python3 tools/gen_width_tables.py > src/base/unicode_width.h
"""
import sys
import unicodedata

PER_LINE = 6


def is_hidden(c):
    """Steers how its neighbours look: format characters but the soft hyphen, variation selectors."""
    return (unicodedata.category(chr(c)) == "Cf" and c != 0xAD) or 0xFE00 <= c <= 0xFE0F or 0xE0100 <= c <= 0xE01EF


def is_combining(c):
    """Stands over the character before it; vowels and finals of Hangul syllables join it."""
    return not is_hidden(c) and (unicodedata.category(chr(c)) in ("Mn", "Me") or 0x1160 <= c <= 0x11FF)


def is_wide(c):
    return not is_hidden(c) and not is_combining(c) and unicodedata.east_asian_width(chr(c)) in "WF"


def ranges(member):
    first = None
    for c in range(0x80, sys.maxunicode + 2):
        inside = c <= sys.maxunicode and member(c)
        if inside and first is None:
            first = c
        if not inside and first is not None:
            yield first, c - 1
            first = None


def print_table(name, what, member):
    found = [f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(member)]
    print(f"/* {what} */")
    print(f"static const struct code_range {name}[] = {{")
    for i in range(0, len(found), PER_LINE):
        print("    " + ", ".join(found[i:i + PER_LINE]) + ",")
    print("};")


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print(f"/* Made by tools/gen_width_tables.py from Unicode {unicodedata.unidata_version}. Do not edit. */")
    print_table("hidden", "Format characters and variation selectors.", is_hidden)
    print_table("combining", "No column of their own.", is_combining)
    print_table("wide", "Two columns.", is_wide)


main()
