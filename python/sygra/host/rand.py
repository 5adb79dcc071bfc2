# SPDX-License-Identifier: Apache-2.0
"""Randomness that depends on the call only: its seed comes from the run's, the record, the node and the visit.

The functions of the module `random` work on a generator of the current call, which is made when first needed. numpy's
old functions (numpy.random.rand and so on) do so too, and default_rng() without a seed; they are replaced when numpy.random
is imported. Code that runs outside of calls, as modules do when they are imported, has one of the run.
Only `random.Random()`, `SystemRandom`, `secrets`, `uuid` and os.urandom stay what they were.
"""
import functools
import importlib.machinery
import random
import sys

from sygra.host.call import current

_seed_outside = 0
_outside = random.Random(0)
_NO_METHODS = {"seed": "seed", "sample": "random_sample", "ranf": "random_sample"}  # numpy's functions that call its generator


def _of_call():
    call = current.get()
    if call is None:
        return _outside
    if call.random is None:
        call.random = random.Random(call.seed)
    return call.random


def begin(seed):
    """From now on the current call draws as one with this seed does: rows of one call do not depend on each other."""
    call = current.get()
    call.seed, call.random, call.numpy = seed, None, None


def take_over(seed):
    """Process-wide, before user code is imported."""
    global _seed_outside
    _seed_outside = seed
    _outside.seed(seed)
    for name in random.__all__:
        function = getattr(random, name)
        if isinstance(getattr(function, "__self__", None), random.Random):
            setattr(random, name, _forward(name, function, _of_call))
    sys.meta_path.insert(0, _NumpyFinder)


class _NumpyFinder:
    """Finds numpy.random as ever, and has its functions replaced before anybody can take one from it."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name == "numpy.random" else None
        if spec is not None:
            fill = spec.loader.exec_module

            def exec_module(module):
                fill(module)
                _replace_numpy(module)

            spec.loader.exec_module = exec_module
        return spec


def _replace_numpy(numpy_random):
    make, fresh_generator, outside = numpy_random.RandomState, numpy_random.default_rng, numpy_random.mtrand._rand
    outside.seed(_seed_outside & 0xFFFFFFFF)

    def of_call():
        call = current.get()
        if call is None:
            return outside
        if call.numpy is None:
            call.numpy = make(call.seed & 0xFFFFFFFF)
        return call.numpy

    @functools.wraps(fresh_generator)
    def default_rng(seed=None):
        return fresh_generator(_of_call().getrandbits(64) if seed is None else seed)

    for name in dir(numpy_random):
        function = getattr(numpy_random, name)
        if getattr(function, "__self__", None) is outside:
            setattr(numpy_random, name, _forward(name, function, of_call))
    for name, method in _NO_METHODS.items():
        setattr(numpy_random, name, _forward(method, getattr(numpy_random, name), of_call))
    numpy_random.default_rng = default_rng


def _forward(name, function, generator):
    @functools.wraps(function)
    def forwarded(*args, **named):
        return getattr(generator(), name)(*args, **named)

    return forwarded
