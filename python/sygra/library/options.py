# SPDX-License-Identifier: Apache-2.0
"""Keyword arguments of `run` and the options of the program that they become."""
import difflib

# keyword: option; a flag has no value.
OPTIONS = {
    "num_records": "--num_records",
    "start_index": "--start_index",
    "batch_size": "--batch_size",
    "output_dir": "--output_dir",
    "output_with_ts": "--output_with_ts",
    "run_name": "--run_name",
    "resume": "--resume",
    "debug": "--debug",
    "oasst": "--oasst",
    "quality": "--quality",
    "disable_metadata": "--disable_metadata",
    "models": "--models",
    "prices": "--prices",
    "seed": "--seed",
    "hosts": "--hosts",
    "python": "--python",
    "hook_timeout": "--hook_timeout",
    "host_env": "--host_env",
    "host_memory": "--host_memory",
    "durability": "--durability",
    "keep": "--keep",
    "record": "--record",
    "replay": "--replay",
}
FLAGS = {"deterministic": "--deterministic", "no_journal": "--no_journal", "accept_changes": "--accept_changes",
         "trust_run": "--trust_run"}
# Where the framework's default is to do nothing, nothing is said, so that the program does not refuse what it lacks.
ONLY_IF_TRUE = ("oasst", "quality", "debug", "disable_metadata")
WITHOUT_EFFECT = ("checkpoint_interval", "enable_default_transforms", "clear_logs", "run_args")


def known():
    return [*OPTIONS, *FLAGS, *WITHOUT_EFFECT]


def check(given, others=()):
    """Refuses a keyword that nobody reads."""
    for name in given:
        if name in OPTIONS or name in FLAGS or name in WITHOUT_EFFECT or name in others:
            continue
        near = difflib.get_close_matches(name, [*known(), *others], 1)
        raise TypeError(f"run() has no argument {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def command_line(given):
    """['--num_records', '10', ...] of the keywords that say something."""
    words = []
    for name, option in OPTIONS.items():
        value = given.get(name)
        if value is None or (name in ONLY_IF_TRUE and not value):
            continue
        words += [option, str(value)]
    return words + [option for name, option in FLAGS.items() if given.get(name)]
