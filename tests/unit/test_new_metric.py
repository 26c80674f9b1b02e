"""A new system metric is an entry and a meter: measured, kept, tracked, limited, analysed, drawn."""

import resource
from itertools import product
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from sysstop.analysis.effects import effect_table
from sysstop.analysis.noise import noise_table
from sysstop.analysis.prediction import prediction_table
from sysstop.analysis.recommendations import configuration_table, pareto_table
from sysstop.plan.config_check import check_config
from sysstop.report.figures import response
from sysstop.results.journal import Journal, read_trials
from sysstop.results.store import open_store
from sysstop.results.tables import checked, study_tables, trials_schema, windows_schema
from sysstop.results.tracking import read_study, write_study
from sysstop.study.arms import make_rule
from sysstop.study.metrics import METRIC_BY_NAME, Metric
from sysstop.study.status import Status
from sysstop.study.studies import Budget, Study, Trial, derive_seed
from sysstop.trial import meters
from sysstop.trial.meters import MB, Meter
from sysstop.trial.training import train
from sysstop.trial.window import finished_trial
from tests.shipped import ALGORITHMS, ENTRIES, LEVELS, point

ROOT = Path(__file__).parents[2]

ADDRESS_SPACE = Metric(
    "address_space_mb",
    label="Address space",
    unit="MB",
    kind="system",
    over_windows="max",
    description="Virtual memory of the worker, read while a mini-batch is alive",
    can_be_limited=True,
    prediction="stays",
)
FAULTS = Metric(
    "minor_faults_per_fit",
    label="Minor page faults per fit",
    unit="",
    kind="system",
    over_windows="mean",
    description="Page faults without I/O of the window by training steps of one fold model",
    can_be_limited=True,
)
NEW = (ADDRESS_SPACE.name, FAULTS.name)


class PageMeter(Meter):
    """Reads both."""

    metrics = NEW

    def __init__(self, trial, folds, clocks, reference):
        self.process = psutil.Process()

    def begin_window(self):
        self.faults, self.fits = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, 0

    def end_fit(self):
        self.fits += 1

    def end_training(self):
        self.faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - self.faults
        self.address_space_mb = self.process.memory_info().vms / MB

    def end_window(self):
        return dict(zip(NEW, (self.address_space_mb, self.faults / self.fits), strict=True))


@pytest.fixture(scope="module", autouse=True)
def registered():
    """Both metrics and their meter are entered after every module was imported."""
    with pytest.MonkeyPatch.context() as patch:
        for metric in (ADDRESS_SPACE, FAULTS):
            patch.setitem(METRIC_BY_NAME, metric.name, metric)
        patch.setattr(meters, "METERS", [*meters.METERS, PageMeter])
        yield


BUDGET = {"steps": 9, "epochs": None, "seconds": None, "window_steps": 3, "warmup_steps": 1}
ARMS = {
    "none": {"rule": "none"},
    "again": {"rule": "none"},
    "space": {"rule": "metric_limit", "metric": ADDRESS_SPACE.name, "limit": 1.0},
}
STUDIES = [
    Study("random", "logistic_regression", arm, repetition)
    for repetition, arm in product((1, 2), ARMS)
]


def trials_of(study):
    budget = Budget(**BUDGET)
    for values in product((4, 32, 128), (0.1, 0.01), (0.01, 0.001)):
        configuration = point(*values)
        seed = derive_seed(study.repetition, configuration.trial_id)
        yield Trial(configuration, ALGORITHMS[study.algorithm], budget, budget.steps, seed)


@pytest.fixture(scope="module")
def journals(classification_split, tmp_path_factory):
    """A journal for each study, of real trials."""
    folder = tmp_path_factory.mktemp("journals")
    journals = {}
    for study in STUDIES:
        journal = Journal(folder / study.key / "journal.jsonl", {})
        for trial in trials_of(study):
            windows = list(train(trial, classification_split, make_rule(ARMS[study.arm], None)))
            trial_id, end = trial.configuration.trial_id, windows[-1].end
            journal.append(finished_trial(trial_id, trial, windows, end, {"host": "here"}))
        journals[study] = list(read_trials(journal.path))
    return journals


@pytest.fixture(scope="module")
def tables(journals):
    """The tables of trials and of windows."""
    parts = [
        study_tables(
            study,
            finished,
            {trial.trial_id: "run" for trial in finished},
            task="classification",
            levels=LEVELS,
        )
        for study, finished in journals.items()
    ]
    trials, windows = (pd.concat(tables) for tables in zip(*parts, strict=True))
    return checked(trials, trials_schema(LEVELS)), checked(windows, windows_schema())


def test_it_is_measured_and_kept_in_the_journal(journals):
    trial = journals[STUDIES[0]][0]
    assert len(trial.windows[ADDRESS_SPACE.name]) == len(trial.windows[FAULTS.name]) == 3
    assert min(trial.windows[ADDRESS_SPACE.name]) > min(trial.windows["memory_mb"])


def test_it_is_in_both_tables_and_made_of_its_windows_as_its_entry_says(tables):
    trials, windows = tables
    trial = trials.iloc[0]
    mine = windows[(windows[["arm", "repetition", "trial_id"]] == trial[["arm", "repetition", "trial_id"]]).all(axis=1)]  # fmt: skip
    assert trial[ADDRESS_SPACE.name] == mine[ADDRESS_SPACE.name].max()
    assert trial[FAULTS.name] == pytest.approx(mine[FAULTS.name].mean())


def test_it_is_a_metric_in_mlflow(journals, tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/mlflow.db")
    study, (trial, *_) = next(iter(journals.items()))
    write_study(store, study, {"rule": None}, [trial])
    stored = read_study(store, study)
    for name in NEW:
        history = store.client.get_metric_history(stored.run_ids[trial.trial_id], name)
        assert [metric.value for metric in history] == trial.windows[name]
        assert stored.trials[0].windows[name] == trial.windows[name]


def test_a_config_may_limit_it_in_an_arm_and_as_a_constraint():
    files = ("config/datasets.yaml", "config/algorithms.yaml", "config/config.yaml")
    datasets, algorithms, config = (yaml.safe_load((ROOT / file).read_text()) for file in files)
    config["arms"] |= ARMS
    config["study"]["arms"] = list(ARMS)
    config["constraints"] = dict.fromkeys(NEW, 100.0)
    check_config(datasets | algorithms | config)


def test_the_limit_of_an_arm_stops_trials(journals):
    for trial in journals[STUDIES[2]]:
        assert trial.end.status == Status.STOPPED
        assert trial.end.stop.metric == ADDRESS_SPACE.name
        assert trial.end.stop.value == trial.windows[ADDRESS_SPACE.name][-1]


def test_the_analyses_have_it(tables):
    trials, windows = tables
    effects = effect_table(trials, LEVELS).set_index(["metric", "hyperparameter"])
    configurations = 12
    assert list(effects.loc[ADDRESS_SPACE.name, "n"]) == [2 * configurations] * 3
    assert set(effects.loc[FAULTS.name].index) == {"batch_size", "learning_rate", "alpha"}
    noise = noise_table(trials).set_index("metric")
    assert list(noise.loc[list(NEW), "repeated_trials"]) == [2 * configurations] * 2
    predicted = set(prediction_table(trials, windows)["metric"])
    assert ADDRESS_SPACE.name in predicted
    assert FAULTS.name not in predicted
    assert set(NEW) <= set(pareto_table(configuration_table(trials, {}, LEVELS), LEVELS)["metric"])


def test_it_is_drawn(tables):
    effects = effect_table(tables[0], LEVELS).assign(effect_size=0.9, p_adjusted=0.001)
    found = effects.assign(median_at_lowest=1.0, median_at_highest=2.0)
    figure = response.draw(tables[0], found, ENTRIES, LEVELS)
    assert {METRIC_BY_NAME[name].label for name in NEW} <= {
        axes.get_title(loc="left") for axes in figure.axes
    }
