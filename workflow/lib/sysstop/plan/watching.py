"""What a run says while it works: a line for each finished search, and how long it still takes.

It follows the records that Snakemake logs of its jobs, by the events and fields of Snakemake's
interface for logger plugins.
"""

import json
import logging
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sysstop.study.status import Status
from sysstop.study.studies import Study
from sysstop.study.wording import counted, duration

# What Snakemake says of each job and in between, unless it is a warning or an error.
ROUTINE_EVENTS = {
    "workflow_started",
    "run_info",
    "resources_info",
    "job_info",
    "job_started",
    "job_finished",
    "group_info",
    "progress",
    "shellcmd",
}
ROUTINE_WORDS = (
    "Building DAG of jobs",
    "Using shell: ",
    "Conda environments: ignored",
    "Select jobs to execute",
    "Touching output file",
    "Complete log(s): ",
    "Elapsed time: ",
)
SCREEN = "DefaultStreamHandler"  # Snakemake's own, where the user has asked for no other

SEARCH = "search"
# What a run is at, by the rule that runs first.
STAGES = {
    "fetch": "Preparing the data",
    "calibrate_overhead": "Measuring what studies and their trials cost",
    SEARCH: "Searching",
    "aggregate": "Analysing",
    "report": "Writing the report",
}

LINE_LENGTH = 100

# What another job takes on a small study; used until some have finished.
OTHER_JOB_S = 2.0


def is_routine(record: logging.LogRecord) -> bool:
    """Return whether a record of Snakemake's is for its log alone."""
    if record.levelno >= logging.WARNING:
        return False
    event = getattr(record, "event", None)
    return event in ROUTINE_EVENTS or str(record.msg).startswith(ROUTINE_WORDS)


@dataclass
class TimeLeft:
    """How long a run still takes, from what is expected of its searches and what they took.

    Once a search has finished only the proportions of what is expected count: finished searches of
    the same data set and algorithm say what the others will take, or else all finished ones do.
    What rules will stop is not foreseen, but what they stopped in finished searches counts.
    """

    other_jobs: int
    """the run's jobs besides the searches"""
    cores: int
    """how many of these run at a time"""
    expected_s: Mapping[Study, float] = field(default_factory=dict)
    """seconds expected of each search of the run"""
    planned: bool = False
    """whether these are seconds from the start, or mere proportions"""
    began: dict[Study, float] = field(default_factory=dict)
    took_s: dict[Study, float] = field(default_factory=dict)
    others_took_s: list[float] = field(default_factory=list)

    def at(self, now: float) -> float | None:
        """Return the seconds left at a time of the clock that `began` is on; None if unknown."""
        if not self.took_s and not self.planned:
            return None
        searches_s = sum(
            max(0.0, expected_s * self._correction(study) - (now - self.began.get(study, now)))
            for study, expected_s in self.expected_s.items()
            if study not in self.took_s
        )
        done = self.others_took_s
        other_s = sum(done) / len(done) if done else OTHER_JOB_S
        return searches_s * self._pace(now) + (self.other_jobs - len(done)) * other_s / self.cores

    def _correction(self, study: Study) -> float:
        """Return how many times as long as expected finished searches took."""
        pair = (study.dataset, study.algorithm)
        alike = [done for done in self.took_s if (done.dataset, done.algorithm) == pair]
        finished = alike or list(self.took_s)
        expected_s = sum(self.expected_s[study] for study in finished)
        return sum(self.took_s[study] for study in finished) / expected_s if expected_s else 1.0

    def _pace(self, now: float) -> float:
        """Return how long the run takes for a second of a search: less where several run at a time."""
        worked_s = sum(self.took_s.get(study, now - began) for study, began in self.began.items())
        return (now - min(self.began.values())) / worked_s if worked_s else 1.0


class Watch(logging.Handler):
    """Says on stderr what a run is at, from Snakemake's records of its jobs, once it has begun.

    `folder_of` returns where a study's results are. `expect` returns, for the searches of the run,
    the fields `expected_s` and `planned` of `TimeLeft`; it is called when the first search begins,
    because it needs the data.
    """

    def __init__(
        self,
        folder_of: Callable[[Study], Path],
        expect: Callable[[Sequence[Study]], tuple[Mapping[Study, float], bool]],
    ) -> None:
        super().__init__()
        self.folder_of, self.expect = folder_of, expect
        self.finished: set[str] = set()
        """names of the rules of which a job has finished"""
        self._running: dict[int, tuple[str, Mapping[str, str], float]] = {}
        self._stages: set[str] = set()
        self._searches: Sequence[Study] = ()
        self._left: TimeLeft | None = None

    def begin(self, jobs: Iterable[tuple[str, Mapping[str, str]]], cores: int, log: str) -> None:
        """Say what there is to do: jobs by rule and wildcards; and that Snakemake logs them all."""
        jobs = list(jobs)
        self._searches = [_study(wildcards) for rule, wildcards in jobs if rule == SEARCH]
        self._left = TimeLeft(len(jobs) - len(self._searches), cores)
        searches = f"{counted(len(self._searches), 'search', 'searches')} among "
        say(
            f"{searches if self._searches else ''}{counted(len(jobs), 'job')} to do; details: {log}"
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Say what there is to say of a job that begins or has finished."""
        if self._left is None:
            return
        try:
            match getattr(record, "event", None):
                case "job_info":
                    self._begins(record.jobid, record.rule_name, dict(record.wildcards))
                case "job_finished" if record.job_id in self._running:
                    self._has_finished(record.job_id)
        except Exception:
            self.handleError(record)  # as all handlers do: a run does not end for want of a line

    def _begins(self, job: int, rule: str, wildcards: Mapping[str, str]) -> None:
        now = time.monotonic()
        self._running[job] = rule, wildcards, now
        if rule == SEARCH:
            if not self._left.expected_s:
                self._left.expected_s, self._left.planned = self.expect(self._searches)
            self._left.began[_study(wildcards)] = now
        if rule in STAGES and rule not in self._stages:
            self._stages.add(rule)
            say(f"{STAGES[rule]}{self._time_left()}")

    def _has_finished(self, job: int) -> None:
        rule, wildcards, began = self._running.pop(job)
        self.finished.add(rule)
        took_s = time.monotonic() - began
        if rule != SEARCH:
            self._left.others_took_s.append(took_s)
            return
        study = _study(wildcards)
        self._left.took_s[study] = took_s
        summary = json.loads((self.folder_of(study) / "search.json").read_text())
        of_all = f"{len(self._left.took_s)} of {counted(len(self._searches), 'search', 'searches')}"
        say(f"{of_all}{self._time_left()} | {study.key}: {result(summary)} in {duration(took_s)}")

    def _time_left(self) -> str:
        left_s = self._left.at(time.monotonic())
        return f", about {duration(left_s)} left" if left_s else ""


def result(summary: Mapping[str, Any]) -> str:
    """Return what a search's summary says of its trials: "16 trials, 5 stopped"."""
    counts = {
        status: summary[f"{status}_trials"] for status in Status if status != Status.COMPLETED
    }
    words = [f"{count} {status}" for status, count in counts.items() if count]
    return ", ".join([counted(summary["trials"], "trial"), *words])


def say(words: str) -> None:
    """Print a line on stderr, where Snakemake and its jobs print theirs."""
    print(words, file=sys.stderr, flush=True)


def print_answers(answers: Path, page: Path) -> None:
    """Print the answers of a report in short, and where it is, as the last words of a run."""
    for answer in answers.read_text(encoding="utf-8").splitlines():
        say(f"\n{textwrap.fill(answer, LINE_LENGTH)}")
    say(f"\nRead {page}")


def watch(
    logger: logging.Logger,
    folder_of: Callable[[Study], Path],
    expect: Callable[[Sequence[Study]], tuple[Mapping[Study, float], bool]],
) -> Watch | None:
    """Have Snakemake's logger say on the screen what a `Watch` says, and the rest in its log alone.

    Nothing changes, and nothing is returned, where the user has chosen another logger.
    """
    screens = [handler for handler in logger.handlers if handler.name == SCREEN]
    if not screens:
        return None
    for handler in screens:
        handler.addFilter(lambda record: not is_routine(record))
    watching = Watch(folder_of, expect)
    logger.addHandler(watching)
    return watching


def _study(wildcards: Mapping[str, str]) -> Study:
    """Return the study of a search's wildcards."""
    return Study(**{**wildcards, "repetition": int(wildcards["repetition"])})
