"""The contenders: ways to do the same search. Each runs in a process of its own.

`python -m benchmarks.contenders NAME WORKLOAD_FOLDER [EVERY]` prints how long it took as JSON; with
EVERY it runs only every EVERY-th trial.
"""

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.workload import ARMS, STUDY, WORKERS, Workload
from sysstop.data.split import Split, load_split
from sysstop.study.studies import Trial
from sysstop.trial.training import train


def limit(workload: Workload, every: int = 1) -> dict[str, float]:
    """Train and evaluate the trials in a bare process pool: the least time that the work takes.

    Neither the start of Python nor imports are counted.
    """
    import sklearn.linear_model  # noqa: F401 - before the processes are forked

    trials = list(workload.trials().values())[::every]
    split = load_split(workload.split_folder)
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("fork")) as pool:
        list(pool.map(abs, range(WORKERS)))
        began = time.perf_counter()
        worked_s = sum(pool.map(_work, trials, [split] * len(trials)))
        return {"wall_s": time.perf_counter() - began, "worked_s": worked_s, "trials": len(trials)}


def _work(trial: Trial, split: Split) -> float:
    *_, last = train(trial, split)
    return last.metrics["train_time_s"] + last.metrics["eval_time_s"]


def pipeline(workload: Workload) -> dict[str, float]:
    """Run two studies by Snakemake, from a search job's start to the end of its export.

    The first starts the run's private Ray, the second finds it running. Their common export counts
    half for each.
    """
    pair = f"results/studies/{STUDY.dataset}/{STUDY.algorithm}"
    studies = [f"{pair}/{arm}/repetition-1" for arm in ARMS]
    workload.snakemake(f"{pair}/trials.parquet")
    jobs: dict[str, float] = {}
    for file in (workload.folder / ".snakemake" / "metadata").rglob("*"):
        record = json.loads(file.read_text()) if file.is_file() else {}
        if record.get("rule") in ("search", "export"):
            log = record["log"][0].removeprefix("results/logs/").removesuffix(".log")
            jobs[log] = record["endtime"] - record["starttime"]
    export_s = jobs[pair.replace("results/studies", "export")] / len(studies)
    found = {}
    ran = sorted(
        studies, key=lambda study: (workload.folder / study / "search.json").stat().st_mtime
    )
    for name, study in zip(("first_study", "study"), ran, strict=True):
        summary = json.loads((workload.folder / study / "search.json").read_text())
        search_s = jobs[study.replace("results/studies", "search")]
        found[f"{name}_wall_s"] = search_s + export_s
        found[f"{name}_worked_s"] = summary["wall_time_s"] * WORKERS - summary["overhead_s"]
        found[f"{name}_search_s"] = search_s
    return found | {"trials": len(workload.trials())}


def tune_defaults(workload: Workload) -> dict[str, float]:
    """Ray Tune as its guides show it: a function, a report each window, the MLflow callback."""
    from ray import tune

    def trainable(config: dict, trials: dict[str, Trial]) -> None:
        split = load_split(workload.split_folder)
        for window in train(trials[config["trial_id"]], split):
            tune.report(dict(window.metrics))

    with _own_ray():
        return _tune(workload, tune.with_parameters(trainable, trials=workload.trials()), False)


def tune_reused_actors(workload: Workload) -> dict[str, float]:
    """Ray Tune with a class that can be reset, so that actors are reused, and the MLflow callback."""
    from ray import tune

    class Trainable(tune.Trainable):
        def setup(self, config: dict, trials: dict[str, Trial]) -> None:
            self.trials, self.split = trials, load_split(workload.split_folder)
            self.reset_config(config)

        def reset_config(self, new_config: dict) -> bool:
            self.windows = train(self.trials[new_config["trial_id"]], self.split)
            return True

        def step(self) -> dict:
            window = next(self.windows)
            return {**window.metrics, "done": window.end is not None}

    with _own_ray():
        return _tune(workload, tune.with_parameters(Trainable, trials=workload.trials()), True)


@contextlib.contextmanager
def _own_ray() -> Iterator[None]:
    """Start a Ray with its defaults, and remove its files afterwards."""
    import ray

    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        ray.init(address="local", _temp_dir=folder)
        try:
            yield
        finally:
            ray.shutdown()


def _tune(workload: Workload, trainable: object, reuse: bool) -> dict[str, float]:
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    storage = workload.folder / f"tune-{reuse}"
    storage.mkdir()
    callback = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{storage}/mlflow.db", experiment_name="study"
    )
    tuner = tune.Tuner(
        trainable,
        param_space={"trial_id": tune.grid_search(list(workload.trials()))},
        tune_config=tune.TuneConfig(reuse_actors=reuse),
        run_config=tune.RunConfig(
            storage_path=str(storage),
            callbacks=[callback],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    results = tuner.fit()
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} trials failed: {results.errors[0]}")
    return {"trials": len(results)}


def grid_search_cv(workload: Workload) -> dict[str, float]:
    """scikit-learn's grid search with joblib: the same steps, but only one evaluation, at the end.

    It leaves out the windows, the losses, system metrics, tracking and all early stopping.
    """
    from sklearn.model_selection import GridSearchCV, PredefinedSplit

    from benchmarks.mini_batch_classifier import MiniBatchClassifier

    config, split = workload.config, load_split(workload.split_folder)
    grid = config["grid"]
    search = GridSearchCV(
        MiniBatchClassifier(steps=config["budget"]["steps"]),
        {name: grid[name] for name in ("batch_size", "learning_rate", "alpha")},
        cv=PredefinedSplit(split.fold_of_row),
        n_jobs=WORKERS,
        refit=False,
    )
    search.fit(split.train_features, split.train_target)
    return {"trials": len(search.cv_results_["params"])}


CONTENDERS: dict[str, Callable[..., dict[str, float]]] = {
    contender.__name__: contender
    for contender in (limit, pipeline, tune_defaults, tune_reused_actors, grid_search_cv)
}

if __name__ == "__main__":
    name, folder, *every = sys.argv[1:]
    print(json.dumps(CONTENDERS[name](Workload(Path(folder)), *map(int, every))))
