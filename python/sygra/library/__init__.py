# SPDX-License-Identifier: Apache-2.0
"""What is behind `import sygra`: the binary as a child process, its events and results, and the callables of this process
served to it. Private: the names for users are in `sygra` itself."""
