"""What a run says while it works, from the records that Snakemake logs."""

import json
import logging
import sys

import pytest

from sysstop.plan import watching
from sysstop.plan.watching import TimeLeft, is_routine, print_answers, result, watch
from sysstop.study.studies import Study

SMALL, LARGE = (
    [Study(dataset, "logistic_regression", arm, 1) for arm in ("none", "memory")]
    for dataset in ("small", "large")
)
STUDIES = [*SMALL, *LARGE]
EXPECTED_S = dict(zip(STUDIES, [10.0, 10.0, 100.0, 100.0], strict=True))
SUMMARY = {"trials": 16, "stopped_trials": 5, "diverged_trials": 0, "failed_trials": 1}


def record(message="", level=logging.INFO, **fields):
    made = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    made.__dict__.update(fields)
    return made


def left(**fields):
    return TimeLeft(other_jobs=0, cores=2, expected_s=EXPECTED_S, **fields)


def test_nothing_is_said_of_the_time_before_anything_is_planned_or_measured():
    assert left(began={SMALL[0]: 0.0}).at(5.0) is None


def test_a_plan_tells_the_time_from_the_start():
    assert left(planned=True).at(0.0) == pytest.approx(220)
    assert left(planned=True, began={SMALL[0]: 0.0}).at(4.0) == pytest.approx(216)


def test_finished_searches_correct_what_is_expected_of_others():
    found = left(planned=True, began={SMALL[0]: 0.0}, took_s={SMALL[0]: 20.0})
    assert found.at(20.0) == pytest.approx(2 * 210)


def test_searches_of_the_same_data_and_algorithm_count_first():
    took_s = {SMALL[0]: 20.0, LARGE[0]: 50.0}
    found = left(planned=True, began={SMALL[0]: 0.0, LARGE[0]: 20.0}, took_s=took_s)
    assert found.at(70.0) == pytest.approx(2 * 10 + 0.5 * 100)


def test_what_runs_between_searches_or_beside_them_is_seen_in_the_pace():
    alone = left(began={SMALL[0]: 0.0}, took_s={SMALL[0]: 10.0})
    assert alone.at(20.0) == pytest.approx(2 * 210)
    together = left(began={SMALL[0]: 0.0, SMALL[1]: 0.0}, took_s=dict.fromkeys(SMALL, 10.0))
    assert together.at(10.0) == pytest.approx(200 / 2)


def test_other_jobs_take_what_they_took_so_far_on_all_cores():
    found = TimeLeft(
        other_jobs=12, cores=2, expected_s=EXPECTED_S, others_took_s=[1.0, 5.0], planned=True
    )
    assert found.at(0.0) == pytest.approx(220 + 10 * 3 / 2)


@pytest.fixture
def screen(tmp_path, capsys):
    """Log records to a logger as Snakemake sets it up; return what the screen shows."""
    logger = logging.Logger("snakemake")
    handler = logging.StreamHandler()
    handler.name = watching.SCREEN
    logger.addHandler(handler)
    for study in STUDIES:
        (tmp_path / study.key).mkdir(parents=True)
        (tmp_path / study.key / "search.json").write_text(json.dumps(SUMMARY))
    watched = watch(logger, lambda study: tmp_path / study.key, lambda studies: (EXPECTED_S, True))
    jobs = [("search", vars(study)) for study in STUDIES]
    watched.begin([("fetch", {}), *jobs], 2, ".snakemake/log/of-the-run.log")

    def log(*records):
        handler.stream = sys.stderr  # pytest has another for each phase of a test
        for each in records:
            logger.handle(each)
        return capsys.readouterr().err.splitlines()

    log.finished = watched.finished
    return log


def begins(job, rule, wildcards):
    return record(event="job_info", jobid=job, rule_name=rule, wildcards=wildcards)


def test_a_run_says_what_it_has_to_do_and_where_the_details_are(screen):
    assert screen() == ["4 searches among 5 jobs to do; details: .snakemake/log/of-the-run.log"]


def test_a_finished_search_is_one_line_with_what_is_done_and_left_in_front(screen):
    screen()
    ends = record(event="job_finished", job_id=7)
    stage, line = screen(begins(7, "search", vars(SMALL[0]) | {"repetition": "1"}), ends)
    assert stage == "Searching, about 3.7 min left"
    assert line.startswith("1 of 4 searches, about ")
    assert " | small/logistic_regression/none/1: 16 trials, 5 stopped, 1 failed in " in line
    assert screen.finished == {"search"}


def test_a_stage_is_named_once_and_other_jobs_are_not(screen):
    screen()
    jobs = [begins(1, "fetch", {}), begins(2, "fetch", {}), begins(3, "split", {})]
    assert screen(*jobs, record(event="job_finished", job_id=2)) == ["Preparing the data"]


def test_warnings_errors_and_what_is_not_known_to_be_routine_are_shown(screen):
    screen()
    shown = [
        record("Error in rule search", logging.ERROR, event="job_error"),
        record("Nothing to be done (all requested files are present and up to date)."),
        record("Complete log(s) cannot be written", logging.WARNING),
    ]
    assert screen(*shown) == [each.msg for each in shown]


def test_the_routine_of_snakemake_is_not_shown():
    assert is_routine(record("Execute 1 jobs...", event="job_started"))
    assert is_routine(record("Select jobs to execute..."))


def test_nothing_is_said_of_jobs_before_the_run_begins(capsys):
    watching.Watch(lambda study: None, lambda studies: ({}, False)).emit(begins(1, "fetch", {}))
    assert capsys.readouterr().err == ""


def test_what_goes_wrong_with_a_line_is_said_and_ends_no_run(screen, tmp_path):
    screen()
    (tmp_path / SMALL[0].key / "search.json").unlink()
    ends = record(event="job_finished", job_id=7)
    said = screen(begins(7, "search", vars(SMALL[0]) | {"repetition": "1"}), ends)
    assert any("FileNotFoundError" in line for line in said)


def test_another_logger_of_the_users_own_is_left_alone():
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.NullHandler())
    assert watch(logger, lambda study: None, lambda studies: ({}, False)) is None
    assert len(logger.handlers) == 1


def test_a_search_of_completed_trials_has_nothing_to_add():
    assert result(SUMMARY | {"stopped_trials": 0, "failed_trials": 0}) == "16 trials"


def test_the_last_words_are_both_answers_and_where_the_report_is(tmp_path, capsys):
    answers = tmp_path / "answers.txt"
    answers.write_text(f"RQ1: {'word ' * 40}\nRQ2: nothing.\n")
    print_answers(answers, tmp_path / "report.html")
    *lines, last = capsys.readouterr().err.splitlines()
    assert last == f"Read {tmp_path}/report.html"
    assert {"RQ2: nothing."} < set(lines)
    assert max(map(len, lines)) <= watching.LINE_LENGTH
