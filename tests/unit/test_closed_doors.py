"""What comes from outside is never run: no shell, no pickle, no unsafe YAML anywhere in the pipeline."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = sorted((ROOT / "workflow").rglob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]

RUN_TEXT = {"eval", "exec", "os.system", "os.popen", "subprocess.getoutput"}
UNSAFE_READERS = {"yaml.load", "yaml.full_load", "yaml.unsafe_load", "pd.read_pickle"}
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "ray.cloudpickle"}
# What writes and reads nothing.
ONLY_WRITES = {("pickle", "dumps"), ("pickle", "PickleBuffer")}
UNSAFE_ARGUMENTS = {"shell": True, "allow_pickle": True}


def doors(code):
    """The calls and imports of a module through which text or data could run."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in RUN_TEXT | UNSAFE_READERS:
                yield name
            for argument in node.keywords:
                value = argument.value
                if argument.arg in UNSAFE_ARGUMENTS and not (
                    isinstance(value, ast.Constant) and value.value is False
                ):
                    yield f"{name}({argument.arg}={ast.unparse(value)})"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            if module and {(module, alias.name) for alias in node.names} <= ONLY_WRITES:
                continue
            modules = {module} if module else {alias.name for alias in node.names}
            yield from modules & UNSAFE_MODULES


def test_no_module_runs_text_or_reads_what_can_run():
    found = {file.name: list(doors(file.read_text())) for file in PYTHON}
    assert {name: open_doors for name, open_doors in found.items() if open_doors} == {}


@pytest.mark.parametrize(
    "code",
    [
        "eval(text)",
        "subprocess.run(command, shell=True)",
        "np.load(file, allow_pickle=given)",
        "import pickle",
        "from pickle import dumps, loads",
        "from joblib import load",
        "yaml.load(text, Loader=yaml.FullLoader)",
    ],
)
def test_an_open_door_is_seen(code):
    assert list(doors(code))


def test_no_rule_has_a_command_of_the_shell():
    lines = [line.strip() for file in RULES for line in file.read_text().splitlines()]
    assert "script:" in lines
    assert not [line for line in lines if line.startswith("shell")]
