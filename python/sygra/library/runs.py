# SPDX-License-Identifier: Apache-2.0
"""One run of a task from this process, from its folder to its results. Workflow and the task executors stand on it."""
import os
import queue
import shutil
import sys
import tempfile

from sygra.core.execution_callbacks import NodeExecutionTracker
from sygra.exceptions import ConfigurationError, ExecutionError
from sygra.library import engine, options, progress, results, sinks, taskfiles
from sygra.library.attached import Attached
from sygra.library.callables import Closures
from sygra.logger.logger_config import logger

POLL_S = 0.05
FAILED_SHOWN = 3  # reasons in the message of an error


class Task:
    """What a run is given: a map, whose callables and rows are this process's, or nothing but a name for the program.

    name      a path or a dotted name of a task on disk, or the name of a task that only this process has
    config    the task's map, or None: as it stands on disk
    folder    what paths in the task start from, beside the working directory; None: nothing
    in_place  its output belongs into that folder, if nothing else is said
    """

    def __init__(self, name, config=None, folder=None, in_place=False):
        self.name, self.config, self.folder, self.in_place = name, config, folder, in_place

    def has_source(self):
        return self.config is None or bool((self.config.get("data_config") or {}).get("source"))


class Run:
    """Use as a context: on the way out the program has ended, and what was temporary is gone.

    callbacks     ExecutionCallbacks, or None
    in_process    run also those callables here that hosts could import
    """

    def __init__(self, task, given, callbacks=None, show=None, in_process=False):
        self._task, self._given = task, {"output_with_ts": False, **given}
        self._closures = Closures(in_process)
        self._tracker = NodeExecutionTracker(callbacks) if callbacks else None
        self._progress = progress.choose(show)
        self._temporary = None
        self._engine = self._attached = None
        self._stopping = False
        self._keep = False  # the temporary folder is all that is left of the run
        self._sinks = []
        self.output_dir = given.get("output_dir")

    # --- before ---------------------------------------------------------------------------------------------------

    def __enter__(self):
        if not self.output_dir and not self._task.in_place:
            self._temporary = tempfile.mkdtemp(prefix="sygra_")
            self.output_dir = self._given["output_dir"] = self._temporary
        try:
            self._start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _start(self):
        words = self._words()
        self._attached = Attached(self._closures, self._tracker)
        with engine.undisturbed():
            self._engine = engine.Engine(words, self._attached)
        if self._stopping:
            self._engine.hurry()

    def _words(self):
        """The command line; what it names is written first."""
        given = dict(self._given)
        given["num_records"] = self._count()
        given.setdefault("python", sys.executable or None)
        words = ["--json", *options.command_line(given)]
        if self._task.config is None:
            return ["run", self._task.folder, *words]
        written = self._write_task()
        if not self._task.folder:
            return ["run", written, *words]
        return ["run", self._task.folder, *words, "--graph_config", os.path.join(written, taskfiles.TASK_FILE)]

    def _count(self):
        """None is all, for which the program says 0."""
        count = self._given.get("num_records")
        if not count and not self._task.has_source():
            raise ConfigurationError("a task without a source makes as many records as you say: run(num_records=100)")
        return count or 0

    def _write_task(self):
        folder = os.path.join(os.path.abspath(self._folder()), taskfiles.folder_name(self._task.name) + ".task")
        os.makedirs(folder, exist_ok=True)
        config = self._closures.replace_task(self._without_rows(self._task.config, folder))
        self._sinks, config = sinks.take(config)
        taskfiles.write_json(config, os.path.join(folder, taskfiles.TASK_FILE))
        return folder

    def _folder(self):
        """Of the output."""
        return self.output_dir or self._task.folder

    def _without_rows(self, config, folder):
        """Rows of this process become a file. No more of a generator is asked for than the run takes."""
        data = config.get("data_config") or {}
        source = data.get("source")
        held = source.get("rows") if isinstance(source, dict) else None
        if not isinstance(held, taskfiles.Rows):
            return config
        path = os.path.join(folder, taskfiles.ROWS)
        held.write(path, None if source.get("transformations") else self._rows_needed())
        source = {key: value for key, value in source.items() if key != "rows"}
        return {**config, "data_config": {**data, "source": {"type": "disk", "file_path": path, **source}}}

    def _rows_needed(self):
        """None: all. Steps over the rows may leave some out, so with them it is all in any case."""
        count = self._given.get("num_records")
        return count + (self._given.get("start_index") or 0) if count else None

    # --- while it goes --------------------------------------------------------------------------------------------

    def _on_event(self, event):
        kind = event.get("event")
        if kind in ("progress", "summary"):
            self._progress.show(event)
            return
        if kind == "hook_print":
            print(event.get("text", ""))  # of a host; closures print by themselves
        elif kind == "hook_trace":
            logger.error("%s\n%s", event.get("error", ""), event.get("trace", ""))
        if self._tracker:
            self._tracker.tell_log(event)

    def results(self):
        """Waits for the end; Results."""
        status = self._follow()
        self._check(status)
        return self._collect()

    def _follow(self):
        try:
            return self._engine.follow(self._on_event)
        except KeyboardInterrupt:
            self._tell_interrupted()
            raise

    def stream(self):
        """Yields records in input order, each as soon as all before it have ended. Whoever stops asking stops the run."""
        follower = results.Follower(self._path(".part"))
        try:
            ended = False
            while not ended:
                yield from follower.poll()
                ended = self._take_events(POLL_S)
            status = self._engine.wait()
            if self._engine.summary.get("output"):
                yield from follower.finish(self._engine.summary["output"])
            self._check(status)
            self._write_sinks()
        except KeyboardInterrupt:
            self._engine.stop()
            self._tell_interrupted()
            raise
        finally:
            follower.close()

    def _take_events(self, timeout):
        """True at the end of the program."""
        try:
            event = self._engine.next_event(timeout)
        except queue.Empty:
            return False
        if event is None:
            return True
        self._on_event(event)
        return False

    def _path(self, suffix):
        prefix = f"{self._given['run_name']}_" if self._given.get("run_name") else ""
        return os.path.join(self._folder(), f"{prefix}output{suffix}")

    def stop(self):
        """From another thread: the run ends now, if it has begun or will; nobody waits for that here."""
        self._stopping = True
        if self._engine:
            self._engine.hurry()

    # --- after ----------------------------------------------------------------------------------------------------

    @property
    def figures(self):
        """The summary event of the run; empty until it has ended."""
        return self._engine.summary if self._engine else {}

    def _collect(self):
        self._write_sinks()
        figures = self.figures
        output = figures.get("output")
        failed = figures.get("failed_file")
        return results.Results(results.read(output) if output else [], figures, None if self._temporary else output,
                               results.read(failed) if failed else [])

    def _write_sinks(self):
        output = self.figures.get("output")
        for sink in self._sinks if output else []:
            sinks.write(sink, output)

    def _check(self, status):
        """Raises what a status that is no success means. Some failed records among good ones are no error here."""
        figures = self.figures
        if not figures:
            raise self._start_error(status)
        if status == engine.OK or (status == engine.FAILED and figures.get("ok")):
            self._warn(figures)
            return
        raise self._end_error(status, figures)

    def _warn(self, figures):
        text = self._engine.text()
        if text:
            logger.warning("%s", text)  # of the task's check
        for kind in ("failed", "invalid"):
            if figures.get(kind):
                logger.warning("%s of the records %s; the others are in the result", figures[kind],
                               "failed" if kind == "failed" else "broke a rule")

    def _start_error(self, status):
        text = self._engine.text() or f"the program ended with status {status}"
        if status == engine.USAGE or ": error: " in text:
            return ConfigurationError(text)
        return ExecutionError(text)

    def _end_error(self, status, figures):
        self._keep = True
        failed = figures.get("failed_file") or figures.get("invalid_file")
        output = figures.get("output")
        lines = [f"{figures.get('state', 'ended')}: {figures.get('ok', 0)} records ok, {figures.get('failed', 0)} failed, "
                 f"{figures.get('invalid', 0)} invalid, {figures.get('dropped', 0)} dropped"]
        lines += [figures["error"]] if figures.get("error") else []
        lines += [f"failed: {failed}"] if failed else []
        lines += self._reasons(failed)
        if status < 0:
            lines.append(f"the program died of signal {-status}; its run can be resumed")
        kept = results.read(output) if output and os.path.exists(output) else []
        return ExecutionError("\n".join(lines), figures, kept, failed, self.output_dir)

    @staticmethod
    def _reasons(path):
        if not path or not os.path.exists(path):
            return []
        found = []
        for record in results.read(path)[:FAILED_SHOWN]:
            place = f"node {record['node']}: " if record.get("node") else ""
            found.append(f"  {place}{record.get('message') or record.get('error') or record}")
        return list(dict.fromkeys(found))

    def _tell_interrupted(self):
        self._keep = True
        print(f"interrupted; to go on with this run: run(resume=True, output_dir={self.output_dir or self._folder()!r})",
              file=sys.stderr)

    def __exit__(self, kind, error, trace):
        try:
            if self._engine:
                self._engine.close()
        finally:
            self._progress.close()
            if self._attached:
                self._attached.close()
            if self._temporary and not self._keep:
                shutil.rmtree(self._temporary, ignore_errors=True)
