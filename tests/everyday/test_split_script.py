"""What is known once the data are split is checked there, before any search."""

import contextlib
import io
import runpy
from types import SimpleNamespace

import pandas as pd
import pytest
from snakemake.iocontainers import InputFiles, OutputFiles

from tests.project import ROOT
from tests.shipped import ENTRIES


def test_a_batch_that_no_fold_model_can_fill_is_refused_when_the_data_are_split(
    tmp_path, monkeypatch
):
    table = tmp_path / "table.parquet"
    pd.DataFrame({"a": [0.5, 1.5, 2.0] * 20, "target": [0, 1] * 30}).to_parquet(table)
    split = tmp_path / "split"
    snakemake = SimpleNamespace(
        log=[str(tmp_path / "split.log")],
        input=InputFiles(fromdict={"table": str(table)}),
        output=OutputFiles([str(split)]),
        params=SimpleNamespace(
            name="mine", entry={"task": "classification"}, folds=2, test_fraction=0.3, seed=1
        ),
        config={
            "study": {"datasets": ["mine"], "algorithms": ["logistic_regression"]},
            "datasets": {"mine": {"task": "classification"}},
            "algorithms": ENTRIES,
            "grid": {"batch_size": [8, 32], "learning_rate": [0.1], "alpha": [0.1]},
        },
    )
    scripts = ROOT / "workflow" / "scripts"
    monkeypatch.syspath_prepend(scripts)  # as Snakemake does
    script = str(scripts / "split.py")
    with contextlib.redirect_stderr(io.StringIO()) as said, pytest.raises(SystemExit):
        runpy.run_path(script, {"snakemake": snakemake})
    assert "grid.batch_size: [32] is larger than the 21 rows" in said.getvalue()
    assert "'mine'" in said.getvalue()
    assert not split.exists()
    snakemake.config["grid"]["batch_size"] = [8, 21]
    runpy.run_path(script, {"snakemake": snakemake})
    assert split.exists()
