"""What all rules share: the checked config, the planned studies and the paths of their results."""

import copy
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

sys.path.insert(0, str(WORKFLOW / "lib"))

from sysstop.run.environment import choose_environment, look_last_in_working_directory

# Before anything else is imported, and for all jobs.
look_last_in_working_directory()
choose_environment()

from sysstop.study.algorithms import file_digest
from sysstop.study.arms import arm_entry, needs_baseline, with_constraints_arm
from sysstop.plan.config_check import check_config
from sysstop.plan.config_files import check_config_files
from sysstop.run.errors import UserError
from sysstop.run.job import ERROR_MARK, print_failures
from sysstop.run.machine import this_machine
from sysstop.results.journal import read_failed_searches
from sysstop.run.provenance import code_digests
from sysstop.run.requirements import check_requirements
from sysstop.search.ray_head import private_environment
from sysstop.search.settings import expected_trials_at_once, few_cores_warning, trials_at_once
from sysstop.plan.partial import finished_studies
from sysstop.plan.resources import is_linear, search_memory_mb, search_runtime_min
from sysstop.report.figures.registry import FIGURES, file_of
from sysstop.run.folder import become_owner
from sysstop.run.lock import release_stale_lock
from sysstop.data.split import read_summary
from sysstop.study.hyperparameters import algorithm_grid, study_levels
from sysstop.study.studies import BASELINE_ARM, LOCAL_RAY, Budget, planned_pairs, planned_studies


def complete_config(given):
    """The default config with what the user, or the workflow that uses this one, changed in it."""
    complete = {}
    for name in ("datasets.yaml", "algorithms.yaml", "config.yaml"):
        update_config(complete, load_configfile(WORKFLOW.parent / "config" / name))
    update_config(complete, copy.deepcopy(given))
    return with_constraints_arm(complete, given)


def placed(path):
    """A path in the results, below the module's prefix if this is a module that has one."""
    return str(workflow.modifier.modify_path(path))


def own_algorithms(given):
    """The algorithms of the study whose entry is not, or not as, shipped with the workflow."""
    shipped = load_configfile(WORKFLOW.parent / "config" / "algorithms.yaml")["algorithms"]
    algorithms = given["study"]["algorithms"]
    return [name for name in algorithms if given["algorithms"][name] != shipped.get(name)]


def only_finished(studies):
    """The studies whose searches are finished, for a partial report."""
    try:
        return finished_studies(
            {study: Path(PLACED_STUDY.format(**asdict(study))) for study in studies}
        )
    except UserError as error:
        raise SystemExit(f"{ERROR_MARK}{error}") from None


given_config = complete_config(config)
try:
    # Snakemake is given cores unless it only submits to a cluster.
    searches_here = bool(workflow.resource_settings.cores)
    check_requirements(Path(placed("results")), searches_here=searches_here)
    check_config_files(workflow.overwrite_configfiles)
    config = check_config(given_config)
    if workflow.is_main_process and (own := own_algorithms(given_config)):
        # Here, because it imports scikit-learn, which takes seconds.
        from sysstop.plan.estimator_check import check_estimators

        check_estimators(config, own)
except UserError as error:
    # A WorkflowError would name a line of this file, and say so again behind the message.
    raise SystemExit(f"{ERROR_MARK}{error}") from None

# A job on a cluster's node reads this file too. Its run holds the lock, on another host.
if workflow.is_main_process:
    release_stale_lock(Path(".snakemake"))
become_owner()
if config["search"]["ray_address"] == LOCAL_RAY:
    # The searches of this run share a Ray that ends with this process.
    os.environ.update(private_environment(os.getpid()))

config["arms"] = {name: arm_entry(config, name) for name in config["arms"]}
# What the algorithms of the study are, and the code that a user's own file adds to them.
config["algorithms"] = {
    name: {
        **config["algorithms"][name],
        "code": file_digest(config["algorithms"][name]["estimator"]),
    }
    for name in config["study"]["algorithms"]
}
config["hyperparameters"] = study_levels(config)
PAIR = "results/studies/{dataset}/{algorithm}"
STUDY = f"{PAIR}/{{arm}}/repetition-{{repetition}}"
RUN_ARMS = {name: config["arms"][name] for name in config["study"]["arms"]}
PLANNED_STUDIES = STUDIES = planned_studies(config)
# Snakemake itself puts inputs, outputs and logs below the prefix.
PLACED_STUDY = placed(STUDY)
PARTIAL = {}
if config["partial"]:
    STUDIES = only_finished(PLANNED_STUDIES)
    PARTIAL = {"finished": len(STUDIES), "planned": len(PLANNED_STUDIES)}
PAIRS = list(dict.fromkeys((study.dataset, study.algorithm) for study in STUDIES))
DATASETS = list(dict.fromkeys(dataset for dataset, _ in PAIRS))
DATABASE = re.match("sqlite:///(results/.+)", config["tracking"]["uri"] or "")
if DATABASE:
    config["tracking"]["uri"] = f"sqlite:///{placed(DATABASE[1])}"
# Where a store of our own keeps artifacts; a store that others share decides that itself.
ARTIFACTS = placed("results/mlflow/artifacts") if DATABASE else None
IMPORT = config["tracking"]["import"]
CODE_DIGESTS = code_digests(
    [*(WORKFLOW / "scripts").glob("*.py"), *map(file_of, FIGURES)],
    Path(".snakemake/code_digests.json"),
)
# One rule asks for it, so a change of it concerns no other.
REGISTER_MODELS = config["tracking"].pop("register_models")

# The parts of the config that the report, its tables and its figures describe.
REPORTED_CONFIG = {
    key: config[key]
    for key in (
        "study",
        "algorithms",
        "hyperparameters",
        "grid",
        "budget",
        "split",
        "constraints",
    )
}
REPORTED_CONFIG["arms"] = RUN_ARMS
REPORTED_CONFIG["datasets"] = {dataset: config["datasets"][dataset] for dataset in DATASETS}
if PARTIAL:
    REPORTED_CONFIG["partial"] = PARTIAL
    REPORTED_CONFIG["study"] = config["study"] | {
        "datasets": DATASETS,
        "algorithms": list(dict.fromkeys(algorithm for _, algorithm in PAIRS)),
        "arms": list(dict.fromkeys(study.arm for study in STUDIES)),
    }


wildcard_constraints:
    dataset="|".join(map(re.escape, config["datasets"])),
    algorithm="|".join(map(re.escape, config["algorithms"])),
    arm="|".join(map(re.escape, config["arms"])),
    repetition=r"[1-9][0-9]*",


def code(script):
    """The digest of the library code behind a script; as a parameter, it makes changed code rerun the rule."""
    return CODE_DIGESTS[str(WORKFLOW / "scripts" / f"{script}.py")]


def of_studies(path, studies=STUDIES):
    """One path for each study of this run."""
    return [path.format(**asdict(study)) for study in studies]


def studies_of(wildcards):
    """The planned studies of a data set and algorithm."""
    pair = (wildcards.dataset, wildcards.algorithm)
    return [study for study in STUDIES if (study.dataset, study.algorithm) == pair]


def of_pairs(path):
    """One path for each pair of data set and algorithm."""
    return [path.format(dataset=dataset, algorithm=algorithm) for dataset, algorithm in PAIRS]


def searches_to_track(name):
    """These files of a pair's searches; none if the runs in MLflow are to be imported."""

    def files(wildcards):
        studies = [] if IMPORT else studies_of(wildcards)
        return [f"{STUDY}/{name}".format(**asdict(study)) for study in studies]

    return files


def figure_files(category):
    """The SVG files of all figures of a research question."""
    return [
        f"results/figures/{figure.path}.svg".format(dataset=dataset)
        for figure in FIGURES.values()
        if figure.category == category
        for dataset in drawn_datasets(figure)
    ]


def drawn_datasets(figure):
    """The data sets of which a figure is drawn for each; None for one of them all."""
    return DATASETS if figure.per_dataset else [None]


def reported(figure, dataset):
    """The SVG file of a figure, of one data set or of all, and its place in Snakemake's own report."""
    return report(
        f"results/figures/{figure.path}.svg".format(dataset=dataset),
        caption="../../report/figure.rst",
        category=figure.category,
        labels={"figure": figure.title, "data set": dataset or "all"},
    )


def dataset_entry(wildcards):
    """The registry's entry of a data set."""
    return config["datasets"][wildcards.dataset]


def source_file(wildcards):
    """The user's own file behind a data set, if it is one: not a result, so not below a prefix."""
    path = dataset_entry(wildcards).get("path")
    return local(path) if path else []


def arm(wildcards):
    """The config's entry of an arm."""
    return config["arms"][wildcards.arm]


def algorithm(wildcards):
    """The config's entry of an algorithm."""
    return config["algorithms"][wildcards.algorithm]


def grid(wildcards):
    """The values of an algorithm's hyperparameters."""
    return algorithm_grid(config, wildcards.algorithm)


def baseline_search(wildcards):
    """The baseline arm's trials, for an arm whose limit is one of their quantiles."""
    if not needs_baseline(arm(wildcards)):
        return []
    return f"{STUDY}/trials.jsonl".format(
        dataset=wildcards.dataset,
        algorithm=wildcards.algorithm,
        arm=BASELINE_ARM,
        repetition=wildcards.repetition,
    )


def search_threads():
    """All cores given to Snakemake; in a cluster's job, which has a node to itself, one per worker."""
    workers = config["search"]["workers"]
    return workers if workflow.remote_exec else workflow.resource_settings.cores or workers


def search_cores():
    """The cores that the trials of a search have, here or on a cluster's node, of which nothing is known here."""
    threads = search_threads()
    return min(threads, this_machine().whole_cores) if workflow.resource_settings.cores else threads


def split_summary(split):
    """How a data set was split; without a split yet, Snakemake asks again."""
    os.stat(split)
    return read_summary(split)


def search_memory(wildcards, input, threads, attempt):
    """The memory that a search asks a cluster for, in MB."""
    # On a Ray cluster, too, no more trials run on this node than it has cores.
    workers = trials_at_once(config["search"]["workers"], threads)
    linear = is_linear(algorithm(wildcards)["estimator"])
    summary = split_summary(input.split)
    return attempt * search_memory_mb(summary, grid(wildcards), workers, linear)


def search_runtime(wildcards, input, threads, attempt):
    """The time that a search asks a cluster for, in minutes."""
    workers = expected_trials_at_once(config["search"], threads)
    budget = Budget(**config["budget"])
    linear = is_linear(algorithm(wildcards)["estimator"])
    summary = split_summary(input.split)
    return attempt * search_runtime_min(summary, grid(wildcards), budget, workers, linear)


def failed_searches(wildcards):
    """How many searches of a study had failed trials; one more reruns it, to retry these."""
    return read_failed_searches(Path(PLACED_STUDY.format(**wildcards)))


if workflow.is_main_process and searches_here:
    warning = few_cores_warning(config["search"], search_threads())
    if warning:
        print(warning, file=sys.stderr)
