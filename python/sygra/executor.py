# SPDX-License-Identifier: Apache-2.0
"""Runs a task through the class `TaskExecutor` of its task_executor.py:

    python -m sygra.executor TASK [options of `sygra run`]

`sygra run` hands over to this where a task has such a class. Without one the program runs the task as ever. What goes wrong
in task_executor.py is shown as it is: nothing is caught, nothing falls back.
"""
import argparse
import ast
import json
import os
import sys

if __name__ == "__main__" and not __package__:  # started by path: not what lies beside this file is to be imported, but
    sys.path[0] = os.getcwd()  # ... what a user's `python main.py` finds,
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # ... and this package

from sygra.library import binary, options, taskfiles  # noqa: E402

MODULE, CLASS = "task_executor", "TaskExecutor"


def _literal(text):
    """True, False, None, 1, as the framework reads them, and true and false."""
    try:
        return ast.literal_eval(text.capitalize() if text.lower() in ("true", "false", "none") else text)
    except (ValueError, SyntaxError):
        raise argparse.ArgumentTypeError(f"{text} is neither True nor False") from None


def _parser():
    parser = argparse.ArgumentParser(prog="sygra run", allow_abbrev=False)
    parser.add_argument("word", nargs="?", metavar="TASK")
    for names, kind, default in (
        (("--task", "-t"), str, None), (("--start_index", "-si"), int, 0), (("--num_records", "-n"), int, 10),
        (("--batch_size", "-b"), int, 25), (("--checkpoint_interval", "-ci"), int, 100), (("--debug", "-d"), _literal, False),
        (("--clear_logs", "-cl"), _literal, False), (("--output_with_ts", "-owt"), _literal, True),
        (("--run_name", "-rn"), str, ""), (("--run_args", "-ra"), json.loads, {}), (("--resume", "-r"), _literal, None),
        (("--output_dir", "-od"), str, None), (("--oasst", "-ost"), _literal, False), (("--quality", "-q"), _literal, False),
        (("--disable_metadata", "-dm"), _literal, False),
    ):
        parser.add_argument(*names, type=kind, default=default)
    own = set(options.OPTIONS) - {action.dest for action in parser._actions}
    for name in sorted(own):
        parser.add_argument(options.OPTIONS[name], dest=f"engine_{name}")
    for name, option in options.FLAGS.items():
        parser.add_argument(option, dest=f"engine_{name}", action="store_true", default=None)
    parser.add_argument("--json", action="store_true")
    return parser


def namespace(words):
    """The framework's namespace of arguments; what only this program knows is in `engine_options`."""
    args = _parser().parse_args(words)
    own = {key[len("engine_"):]: value for key, value in vars(args).items() if key.startswith("engine_")}
    for key in own:
        delattr(args, f"engine_{key}")
    args.engine_options = {key: value for key, value in own.items() if value is not None}
    args.task = args.task or args.word
    if not args.task:
        sys.exit("sygra run: name a task")
    return args


def arguments(task, given):
    """The namespace for keywords of Workflow.run."""
    args = namespace([task])
    args.output_with_ts, args.num_records = False, None
    for key, value in given.items():
        if hasattr(args, key):
            setattr(args, key, value)
        else:
            args.engine_options[key] = value
    return args


def _module_file(folder):
    return os.path.join(folder, f"{MODULE}.py")


def _import(task, folder):
    """As tasks.<name>.task_executor where it lies below tasks/ of the working directory; else by its file."""
    import importlib
    import importlib.util

    from sygra import _standins

    _standins.install()  # it was written for the framework, which brings langchain_core with it
    inside = os.path.relpath(os.path.abspath(folder), os.getcwd()).split(os.sep)
    if inside[0] == "tasks" and all(part.isidentifier() for part in inside):
        if not {"", os.getcwd()} & set(sys.path):
            sys.path.insert(0, os.getcwd())
        return importlib.import_module(".".join([*inside, MODULE]))
    spec = importlib.util.spec_from_file_location(MODULE, _module_file(folder))
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


def may_have(folder):
    """Whether the task's module speaks of such a class; it is not imported to find out."""
    try:
        with open(_module_file(folder), encoding="utf-8", errors="replace") as file:
            return CLASS in file.read()
    except OSError:
        return False


def find(task):
    """The class, or None when the task has none of its own."""
    folder = taskfiles.find_folder(task)
    if not folder or not os.path.isfile(_module_file(folder)):
        return None
    found = getattr(_import(task, folder), CLASS, None)
    return found if isinstance(found, type) else None


def _say(figures, as_json):
    if as_json:
        print(json.dumps(figures))
        return
    print(f"{figures.get('state', 'finished')}: {figures.get('ok', 0)} ok, {figures.get('failed', 0)} failed, "
          f"{figures.get('invalid', 0)} invalid, {figures.get('dropped', 0)} dropped")
    for name in ("output", "failed_file", "invalid_file", "dropped_file"):
        if figures.get(name):
            print(f"{name.split('_')[0]:<8} {figures[name]}")


def main(words):
    os.environ["SYGRA_EXECUTOR"] = "1"  # the program that we start runs the task itself
    args = namespace(words)
    executor_class = find(args.task)
    if not executor_class:
        program = binary.find()
        os.execv(program, [program, "run", *words])
    from sygra.exceptions import GraSPError
    from sygra.utils import utils

    utils.current_task = args.task
    executor = executor_class(args)
    try:
        executor.execute()
    except GraSPError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3 if getattr(error, "figures", {}).get("failed") else 1
    except KeyboardInterrupt:
        return 130
    figures = getattr(executor, "figures", {})
    _say(figures, args.json)
    return 3 if figures.get("failed") or figures.get("invalid") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
