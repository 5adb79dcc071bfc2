# SPDX-License-Identifier: Apache-2.0
"""Hooks that use numpy: what it draws depends on the call's seed only, and its values travel."""
import os

from client import ROOT, client_of

PYTHON = os.path.join(ROOT, "build", "reference", "bin", "python")  # it has numpy


def test_what_numpy_draws_depends_on_the_calls_seed_only(folder):
    source = """
        import time
        import numpy as np
        from numpy.random import randint
        start = float(np.random.rand())
        def f(node, state):
            time.sleep(state.get("sleep", 0))
            drawn = [np.random.rand(2), randint(1000), np.random.default_rng().random(), np.random.normal()]
            return {"x": [start, drawn, np.random.choice([1, 2, 3], 2)]}
        async def g(node, state): return f(node, state)
        def seeded(node, state):
            np.random.seed(5)
            return {"x": [np.random.rand(), np.random.RandomState(5).rand(), np.random.default_rng(5).random()]}
        """
    seen = []
    for _ in range(2):
        with client_of(folder, source, python=PYTHON, seed=42) as c:
            f, g = c.hook("hooks.f", "lambda", {}), c.hook("hooks.g", "lambda", {})
            a, b = c.begin(f, state={"sleep": 0.05}, seed=7), c.begin(f, state={}, seed=8)
            values = [c.answer_of(a).outputs, c.answer_of(b).outputs]
            assert c.call(f, state={}, seed=7).outputs == values[0] != values[1]
            assert c.call(g, state={}, seed=7).outputs == values[0]
            [x] = c.call(c.hook("hooks.seeded", "lambda", {}), state={}, seed=3).outputs
            assert x["x"][0] == x["x"][1] != x["x"][2]
            seen.append([values, x])
    assert seen[0] == seen[1]


def test_numpy_may_be_imported_by_the_call(folder):
    seen = []
    for _ in range(2):
        with client_of(folder, """
            def f(node, state):
                import numpy
                return {"x": numpy.random.rand()}
            """, python=PYTHON) as c:
            f = c.hook("hooks.f", "lambda", {})
            seen.append([c.call(f, state={}, seed=n).outputs for n in (1, 2, 1)])
    assert seen[0] == seen[1] and seen[0][0] == seen[0][2] != seen[0][1]


def test_values_of_numpy_become_numbers_and_lists(folder):
    with client_of(folder, """
        import numpy as np
        def f(node, state):
            return {"array": np.arange(4).reshape(2, 2), "int": np.int64(3), "float": np.float32(0.5), "bool": np.bool_(True),
                    "text": np.str_("a"), "deep": [{"a": np.zeros(2)}]}
        def gap(node, state): return {"x": np.array([1.0, np.nan])}
        def inside(node, state):
            state["rows"].append(np.int64(2))
        def when(node, state): return {"when": np.datetime64("2024-01-02")}
        """, python=PYTHON) as c:
        f, gap, inside, when = (c.hook(f"hooks.{n}", "lambda", {}) for n in ("f", "gap", "inside", "when"))
        assert c.call(f, state={}).outputs == [{"array": [[0, 1], [2, 3]], "int": 3, "float": 0.5, "bool": True, "text": "a",
                                                "deep": [{"a": [0.0, 0.0]}]}]
        answer = c.call(gap, state={})
        assert answer.fault == "useless" and "result['x'][1] is nan" in answer.message, answer
        assert c.call(inside, state={"rows": [1]}).effects == {"changed": {"rows": [1, 2]}}
        assert c.call(when, state={}).outputs[0]["when"]["text"] == "2024-01-02"
