"""A small complete config, and what can take its place: names, values, and whole YAML texts."""

import copy
import datetime

import yaml
from snakemake.utils import update_config

from tests.project import ROOT, TINY
from tests.shipped import GIVEN

HOSTILE_NAMES = [
    *("../x", "/etc/x", "a/b", ".", "..", "", "a..b", "-rf", "~", "a b", "x\n", "a\nb", "a\0b"),
    *("'", '"', "$(touch pwned)", "`id`", "a;b", "{dataset}", "%s", "<script>alert(1)</script>"),
    *("\x1b[2J", "é", "中", "\U0001f600", "\u202e", "a" * 300, "con"),
]
HOSTILE_VALUES = [
    *(None, True, 0, -1, 1, 2, 2.0, 0.5, 1e-300, -0.0, float("nan"), float("inf"), -float("inf")),
    *(2**31, 2**32, 2**63, 10**30, 10**400, -(10**400), 1e308, "", "1", "none", "null", "1e3"),
    *([], {}, [[]], [{}], [None], [1, 1], [0.1, 0.1000000001], ["none"], ["none", "none"]),
    *([float("nan")], [float("inf")], [10**400], {1: 2}, {None: None}, {True: {}}, {"": {}}),
    *(datetime.date(2023, 11, 1), b"bytes", "x" * 100_000, list(range(2000)), "../x", "a\0b"),
]


def small_config():
    """A complete config with a data set from each source."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["algorithms"] = copy.deepcopy(GIVEN)
    update_config(config, TINY)
    config["datasets"] |= {
        "iris": {"source": "sklearn", "name": "iris", "task": "classification"},
        "made": {
            **{"source": "synthetic", "task": "classification", "rows": 60, "features": 4},
            **{"classes": 2, "informative": 2, "noise": 0.1, "seed": 1},
        },
        "tiny": {"source": "pmlb", "name": "tiny", "task": "regression", "sha256": "0" * 64},
    }
    return config


CONFIG = small_config()


# Texts, each with what the message must say, or None where it can be used

TEXTS = {
    "empty": ("", "keys at top level"),
    "a list": ("- study", "keys at top level"),
    "not closed": ("study: {seed: 1", "not valid JSON or YAML"),
    "a tab": ("study:\n\tseed: 1", "not valid JSON or YAML"),
    "control characters": ("study: \x00", "not valid JSON or YAML"),
    "two documents": ("study: {}\n---\nstudy: {}", "not valid JSON or YAML"),
    "an unknown alias": ("study: *nothing", "not valid JSON or YAML"),
    "runs a command": ("study: !!python/object/apply:os.system ['touch pwned']", "not valid"),
    "makes an object": ("study: !!python/object/new:os.system ['touch pwned']", "not valid"),
    "imports a module": ("study: !!python/module:antigravity", "not valid"),
    "a function": ("study: {seed: !!python/name:os.system }", "study.seed"),
    "a tuple": ("study: {datasets: !!python/tuple [mnist]}", "study.datasets"),
    "a complex number": ("study: {seed: !!python/complex 1j}", "study.seed"),
    "a set": ("study: {datasets: !!set {mnist}}", "study.datasets"),
    "bytes": ("study: {seed: !!binary aGVsbG8=}", "study.seed"),
    "a date as a number": ("study: {seed: 2023-11-01}", "study.seed"),
    "the Norway problem": ("study: {datasets: [no]}", "study.datasets.0"),
    "repetitions as a fraction": ("study: {repetitions: 2.0}", "study.repetitions"),
    "repetitions without an end": ("study: {repetitions: 1000000000}", "study.repetitions"),
    "a seed beyond 32 bits": ("study: {seed: 4294967296}", "study.seed"),
    "more folds than 16 bits count": ("split: {folds: 40000}", "split.folds"),
    "no number of seconds": ("budget: {seconds: .nan}", "budget.seconds"),
    "endless epochs": ("budget: {epochs: .inf}", "budget.epochs"),
    "steps of 500 digits": ("budget: {steps: 1" + "0" * 500 + "}", "budget.steps"),
    "a timeout of years": ("search: {trial_timeout_s: 1e9}", "search.trial_timeout_s"),
    "no share of failures": ("search: {max_failed_fraction: .nan}", "search.max_failed_fraction"),
    "rates with the same name of a trial": (
        "grid: {learning_rate: [0.1, 0.1000000001]}",
        "agree in six digits",
    ),
    "more trials than can be": (
        f"grid: {{learning_rate: {list(range(1, 999))}, alpha: {list(range(1, 999))}}}",
        "at most 100000",
    ),
    "a list as a metric": ("arms: {memory: {metric: [memory_mb]}}", "arms.memory.metric"),
    "a number as a key of an arm": ("arms: {memory: {1: 2}}", "the key 1 is not a string"),
    "NUL in a folder": ('data: {pmlb_cache: "a\\0b"}', "data.pmlb_cache"),
    "a number as a name": ("datasets: {529: {source: sklearn}}", "the key 529 is not a string"),
    "a list that contains itself": ("grid: {alpha: &a [*a]}", "YAML alias"),
    "a billion laughs": (
        "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)),
        "YAML alias",
    ),
    "deep": ("grid: {alpha: " + "[" * 100 + "]" * 100 + "}", "grid.alpha"),
    "many mistakes": (yaml.safe_dump({f"key{i}": i for i in range(5000)}), "unknown key"),
    "JSON": ('{"study": {"seed": 1e999}}', "study.seed"),
    "JSON's NaN": ('{"budget": {"seconds": NaN}}', "budget.seconds"),
    "a section that is not one": ("study: 3", "study"),
    "a section of nothing": ("study:", "study"),
    "a harmless overlay": ("study: {seed: 7}", None),
}
