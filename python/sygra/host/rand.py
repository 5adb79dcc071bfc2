# SPDX-License-Identifier: Apache-2.0
"""Randomness that depends on the call only: its seed comes from the run's, the record, the node and the visit.

The functions of the module `random` work on a generator of the current call, which is made when first needed. numpy's
old functions (numpy.random.rand and so on) do so too, and default_rng() without a seed; they are replaced when a hook's
module has loaded numpy. Code that runs outside of calls, as modules do when they are imported, has one of the run.
Only `random.Random()`, `SystemRandom`, `secrets`, `uuid` and os.urandom stay what they were.
"""
import functools
import random
import sys

from sygra.host.call import current

_seed_outside = 0
_outside = random.Random(0)
_numpy_outside = None
_old_numpy = {}  # id of one of numpy's own functions -> what it was replaced by


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


def take_over_numpy(module):
    """After a load, for what `module` (the hook's) has taken from numpy by name, too."""
    numpy_random = sys.modules.get("numpy.random")
    mtrand = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
    if numpy_random is None or mtrand is None:
        return
    if not _old_numpy:
        _replace_numpy(numpy_random, mtrand)
    for name, value in list(vars(module).items()) if module else ():
        if id(value) in _old_numpy:
            setattr(module, name, _old_numpy[id(value)][1])


def _replace_numpy(numpy_random, mtrand):
    make, fresh_generator = numpy_random.RandomState, numpy_random.default_rng

    def of_call():
        global _numpy_outside
        call = current.get()
        if call is None:
            if _numpy_outside is None:
                _numpy_outside = make(_seed_outside & 0xFFFFFFFF)
            return _numpy_outside
        if call.numpy is None:
            call.numpy = make(call.seed & 0xFFFFFFFF)
        return call.numpy

    @functools.wraps(fresh_generator)
    def default_rng(seed=None):
        return fresh_generator(_of_call().getrandbits(64) if seed is None else seed)

    for name in dir(numpy_random):
        function = getattr(numpy_random, name)
        if getattr(function, "__self__", None) is mtrand:
            _put(numpy_random, name, function, _forward(name, function, of_call))
    _put(numpy_random, "default_rng", fresh_generator, default_rng)


def _put(module, name, old, new):
    _old_numpy[id(old)] = (old, new)  # `old` is held so that its id stays its own
    setattr(module, name, new)


def _forward(name, function, generator):
    @functools.wraps(function)
    def forwarded(*args, **named):
        return getattr(generator(), name)(*args, **named)

    return forwarded
