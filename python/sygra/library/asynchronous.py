# SPDX-License-Identifier: Apache-2.0
"""Runs under an event loop: a thread of the run's own waits for the program, so that the loop never does."""
import asyncio
import concurrent.futures

_END = object()


def _thread():
    return concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="sygra-run")


def _in(thread, function, *args):
    return asyncio.get_running_loop().run_in_executor(thread, function, *args)


async def _wait_for(run, work):
    """The result of work in a run's thread. Cancelled: the run ends, resumable, before this does."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        run.stop()
        await asyncio.wait([work])
        work.exception()  # it was stopped: nothing to tell
        raise


def _whole(run):
    with run:
        return run.results()


async def results(run):
    thread = _thread()
    try:
        return await _wait_for(run, _in(thread, _whole, run))
    finally:
        thread.shutdown(wait=False)


def _records(run):
    with run:
        yield from run.stream()


async def stream(run):
    """run.stream(), record by record."""
    thread, records = _thread(), _records(run)
    try:
        while True:
            record = await _wait_for(run, _in(thread, next, records, _END))
            if record is _END:
                return
            yield record
    finally:
        run.stop()
        await _in(thread, records.close)
        thread.shutdown(wait=False)
