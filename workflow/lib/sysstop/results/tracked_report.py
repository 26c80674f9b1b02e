"""The report in MLflow: figures and page as artifacts of a run of the whole study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Param

from sysstop.results.store import (
    Store,
    delete_runs,
    store_errors,
    takes_artifacts,
    usable_experiment,
)

EXPERIMENT = "report"
REMEDY = (
    "The report is in results/; check that the store keeps artifacts, then run the same command "
    "again, or leave them out: `snakemake tables results/report.html`."
)


def track_report(
    store: Store, study: Mapping[str, Any], page: Path, figures: Mapping[str, Sequence[Path]]
) -> str | None:
    """Keep a report and its figures (by folder) in MLflow, in place of the report before.

    `study` is the config's section, which becomes the run's parameters. Returns the id of the run,
    or None where artifacts would not reach the store: a server, or a database that others use,
    whose artifacts are in a folder of its own host. Raises `UserError` when it cannot be written.
    """
    with store_errors(store.uri, REMEDY):
        if not takes_artifacts(store):
            return None
        experiment_id = usable_experiment(store, EXPERIMENT)
        delete_runs(store, experiment_id, f"tags.study = '{EXPERIMENT}'", for_good=store.is_own)
        run = store.client.create_run(
            experiment_id, run_name=EXPERIMENT, tags={"study": EXPERIMENT, "kind": EXPERIMENT}
        )
        run_id = run.info.run_id
        parameters = [Param(name, str(value)) for name, value in study.items()]
        store.client.log_batch(run_id, params=parameters)
        store.client.log_artifact(run_id, str(page))
        for folder, files in figures.items():
            for file in files:
                store.client.log_artifact(run_id, str(file), folder)
        store.client.set_terminated(run_id)
    return run_id
