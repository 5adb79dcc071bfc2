# SPDX-License-Identifier: Apache-2.0
"""`python -m sygra run TASK ...`: the program, also where its command is not on PATH."""
from sygra.library.binary import main

if __name__ == "__main__":
    main()
