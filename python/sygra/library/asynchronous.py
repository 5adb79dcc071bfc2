# SPDX-License-Identifier: Apache-2.0
"""Runs under an event loop: a thread of the run's own waits for the program, so that the loop never does."""
import asyncio
import concurrent.futures


def _thread():
    return concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="sygra-run")


async def _in(thread, function, *args):
    return await asyncio.get_running_loop().run_in_executor(thread, function, *args)


async def results(run):
    """run.results() of a run that is not started yet. Cancelled: the run ends, resumable, before this does."""
    thread = _thread()
    await _in(thread, run.__enter__)
    waiting = asyncio.ensure_future(_in(thread, run.results))
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        run.interrupt()
        await asyncio.wait([waiting])
        waiting.exception()  # it was interrupted: nothing to tell
        raise
    finally:
        await _in(thread, run.__exit__, None, None, None)
        thread.shutdown(wait=False)


_END = object()


async def stream(run):
    """run.stream(), record by record."""
    thread = _thread()
    await _in(thread, run.__enter__)
    records = run.stream()
    try:
        while True:
            record = await _in(thread, next, records, _END)
            if record is _END:
                return
            yield record
    finally:
        run.close()
        await _in(thread, records.close)
        await _in(thread, run.__exit__, None, None, None)
        thread.shutdown(wait=False)
