"""How a job on a cluster's node differs from a run here, and what it asks the cluster for."""

import re

import pytest

JOB = ("--dry-run", "--nolock", "--mode", "remote")


def printed_for_searches(run, key):
    """What a dry run prints for its searches: the values of `threads` or of a resource."""
    assert run.returncode == 0, run.stderr
    jobs = re.split(r"^(?:local)?rule ", run.stdout + run.stderr, flags=re.MULTILINE)[1:]
    found = [
        re.findall(rf"\b{key}[:=] ?([^,\s]+)", job) for job in jobs if job.startswith("search")
    ]
    return {value for values in found for value in values}


def test_a_job_leaves_the_lock_of_its_run_alone(fresh):
    locks = fresh.folder / ".snakemake" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.input.lock").write_text("results/report.html\n")
    assert fresh.snakemake(*JOB).returncode == 0
    assert (locks / "0.input.lock").exists()
    assert fresh.snakemake("--dry-run").returncode == 0
    assert not (locks / "0.input.lock").exists()


def test_a_search_uses_all_cores_here_and_those_of_its_workers_in_a_job(fresh):
    config = fresh.write_config("one_worker.yaml", search__workers=1)
    assert printed_for_searches(fresh.snakemake("--dry-run", config=config), "threads") == {"2"}
    # Snakemake does not print a single thread.
    job = fresh.snakemake(*JOB, config=config)
    assert printed_for_searches(job, "threads") == set()
    assert printed_for_searches(job, "slurm_extra") == {"--exclusive"}


def test_memory_and_time_are_asked_for_once_the_data_are_split(fresh, finished):
    for key in ("mem_mb", "runtime"):
        assert printed_for_searches(fresh.snakemake("--dry-run"), key) == {"<TBD>"}
    again = finished.snakemake("--dry-run", "--forcerun", "search")
    assert {int(minutes) for minutes in printed_for_searches(again, "runtime")} == {11}
    assert all(int(mb) > 2000 for mb in printed_for_searches(again, "mem_mb"))


@pytest.mark.parametrize("attempt", [2, 3])
def test_each_attempt_asks_for_more(finished, attempt):
    first, later = (
        finished.snakemake("--dry-run", "--forcerun", "search", "--attempt", str(number))
        for number in (1, attempt)
    )
    assert printed_for_searches(later, "runtime") == {str(11 * attempt)}
    assert {int(mb) for mb in printed_for_searches(later, "mem_mb")} == {
        attempt * int(mb) for mb in printed_for_searches(first, "mem_mb")
    }
