"""What a run says on the screen, in few lines; Snakemake's own account of every job goes to its log."""

import json

from snakemake.logging import logger

from sysstop.plan.resources import search_time_s
from sysstop.plan.watching import print_answers, say, watch


def expected_searches(studies):
    """The seconds that `snakemake plan` expects of searches, and True; or proportions of these, and False."""
    plan = Path(placed(PLANNED_SEARCHES))
    planned_s = json.loads(plan.read_text()) if plan.exists() else {}
    if planned_s.keys() >= {study.key for study in studies}:
        return {study: planned_s[study.key] for study in studies}, True
    return {study: roughly_expected(study) for study in studies}, False


def roughly_expected(study):
    """The seconds that a search takes at most, by what is known of it without a calibration."""
    return search_time_s(
        split_summary(placed(f"results/data/{study.dataset}/split")),
        algorithm_grid(config, study.algorithm),
        Budget(**config["budget"]),
        expected_trials_at_once(config["search"], search_threads()),
        is_linear(config["algorithms"][study.algorithm]["estimator"]),
    )


def watched():
    """Whether the run is this workflow's own, and the user did not ask for more or less to read."""
    given = workflow.output_settings
    own = workflow.is_main_process and workflow.modifier.is_main_snakefile()
    return own and not (given.dryrun or given.verbose or given.quiet)


WATCH = None
if watched():
    WATCH = watch(
        logger, lambda study: Path(PLACED_STUDY.format(**asdict(study))), expected_searches
    )


onstart:
    # --touch runs nothing.
    if not workflow.touch:
        jobs = [(job.rule.name, job.wildcards_dict) for job in workflow.dag.needrun_jobs()]
        if WATCH:
            WATCH.begin(jobs, workflow.resource_settings.cores or 1, os.path.relpath(log[0]))
        start_what_jobs_share([rule for rule, _ in jobs])


onsuccess:
    if WATCH and "report" in WATCH.finished:
        print_answers(Path(rules.report.output.answers), Path(rules.report.output.page))


onerror:
    if WATCH:
        say(f"Details: {os.path.relpath(log[0])}")
    print_failures(log)
