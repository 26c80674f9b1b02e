"""What the jobs of a run share, so that none waits for it: processes that have imported what they use, and Ray."""

from sysstop.run.job_server import JOBS, RAY_WORKERS, start_servers
from sysstop.search.ray_head import start_private_ray

# What takes long to import: for Ray's workers, and on top of that for the jobs of a run.
IMPORTED = {
    RAY_WORKERS: (
        "snakemake.script",
        "pyarrow.dataset",
        "pandera.backends.pandas.register",
        "sysstop.data.sources",
        "sysstop.results.export",
        "mlflow.store.tracking.sqlalchemy_store",
        "sysstop.analysis.effects",
        "sysstop.analysis.holdout",
        "sysstop.report.figures.drawing",
        "sysstop.report.page",
        "seaborn",
        "matplotlib.backends.backend_pdf",
        "matplotlib.backends.backend_svg",
    ),
    JOBS: ("sysstop.search.study", "ray.dag"),
}
# For fewer jobs it is not worth it.
JOBS_TO_IMPORT_FOR = 6


def start_what_jobs_share(rules):
    """Start what jobs share; `rules` holds the name of the rule of each job that is to run."""
    # In an environment of their own, jobs have another Python.
    if len(rules) >= JOBS_TO_IMPORT_FOR and not workflow.deployment_settings.deployment_method:
        start_servers(IMPORTED)
    # A calibration measures how long Ray takes to start.
    searches_only = "search" in rules and "calibrate_overhead" not in rules
    if searches_here and searches_only and config["search"]["ray_address"] == LOCAL_RAY:
        start_private_ray(expected_trials_at_once(config["search"], search_cores()))
