# SPDX-License-Identifier: Apache-2.0
# Shared by the other scripts; sourced by bash with the checkout's root as working directory.

say() { printf '%s\n' "$*" >&2; }
die() { say "sygra: $*"; exit 1; }

# The first Python that can make a virtual environment with pip in it. Another python3 (pyenv's, say) may come
# first on PATH, and Debian's own cannot do it before python3-venv is installed: so try, do not guess.
find_python() {
    local py
    for py in /usr/bin/python3 $(type -ap python3); do
        if [ -x "$py" ] && "$py" -I -c 'import venv, ensurepip' 2>/dev/null; then
            printf '%s\n' "$py"
            return 0
        fi
    done
    return 1
}
