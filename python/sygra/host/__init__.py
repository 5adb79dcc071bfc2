# SPDX-License-Identifier: Apache-2.0
"""The Python hook host: user code in a process of its own, asked by the engine over a socket.

The other end is src/hooks; the bytes are told in docs/formats/hook-protocol.md. A reader's way through the files:
`__main__` starts, `serve` reads frames and answers, `crew` gives calls to threads and `tasks` to the event loop, `load`
finds what a dotted path names, `roles` knows how each kind of hook is called, `values` makes Python of JSON and back.
The library serves the closures of its own process with the same `serve.Host`.
"""
