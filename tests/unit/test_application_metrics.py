"""What an application asks of a model: the time of a prediction and the model's size, at hardly any cost."""

import gc
import json
import math
import os
import textwrap

import numpy as np
import pytest

from sysstop.study.algorithms import make_algorithm
from sysstop.study.metrics import METRIC_BY_NAME, metric_names
from sysstop.study.rules import MetricLimit
from sysstop.study.status import Status, Stop
from sysstop.trial.estimators import stored_bytes
from sysstop.trial.meters import (
    BLOCK_ROWS,
    CALLS_IN_TURN,
    KB,
    MB,
    MOST_TURNS,
    PREDICTIONS_CPU_SHARE,
    Meter,
    PredictionMeter,
)
from sysstop.trial.reference import Reference
from sysstop.trial.training import FoldModel, train
from tests.shipped import ENTRIES

FEW_PAGES_MB = 8 * 4 / 1024
NETWORK = {"learning_rate": 0.01, "alpha": 0.001}
OWN = """
    import numpy as np

    class NearestMean:
        '''Predicts the class whose mean is nearest.'''

        def __init__(self, unpicklable=False):
            self.means = None
            if unpicklable:
                self.callback = lambda: None

        def partial_fit(self, features, target, classes):
            if self.means is None:
                self.means = np.zeros((len(classes), features.shape[1]))
            for row, label in zip(features, target):
                self.means[label] += 0.01 * (row - self.means[label])

        def predict_proba(self, features):
            distances = ((features[:, None, :] - self.means) ** 2).sum(axis=2)
            shares = np.exp(distances.min(axis=1, keepdims=True) - distances)
            return shares / shares.sum(axis=1, keepdims=True)
"""


class TickingClocks:
    """Clocks of a process in which only what a test names takes time: a fit, a prediction, a pickle."""

    def __init__(self, fit_ms=1.0, prediction_ms=0.1, pickle_ms=0.1):
        self.took_ms = {"fit_batch": fit_ms, "predict": prediction_ms, "stored": pickle_ms}
        self.cpu_ms, self.spent_ms = 0.0, dict.fromkeys(self.took_ms, 0.0)

    def spend(self, what):
        self.spent_ms[what] += self.took_ms[what]
        self.cpu_ms += self.took_ms[what]

    def cpu_ns(self):
        return round(self.cpu_ms * 1e6)

    def wall_ns(self):
        """Others have the core half of the time."""
        return 2 * self.cpu_ns()


@pytest.fixture
def ticking(monkeypatch):
    """A function that makes the clocks, which the models move on as they work."""

    def make(**took_ms):
        clocks = TickingClocks(**took_ms)
        fit, predict, stored = FoldModel.fit_batch, FoldModel.predict, FoldModel.stored.fget

        def spending(name, work):
            def spend(*arguments):
                clocks.spend(name)
                return work(*arguments)

            return spend

        monkeypatch.setattr(FoldModel, "fit_batch", spending("fit_batch", fit))
        monkeypatch.setattr(FoldModel, "predict", spending("predict", predict))
        monkeypatch.setattr(FoldModel, "stored", property(spending("stored", stored)))
        # A reference at nominal speed, which takes nothing.
        monkeypatch.setattr(Reference, "slowdown", lambda reference: 1.0)
        return clocks

    return make


def test_predictions_take_less_than_two_percent_of_the_training_time(
    ticking, classification_split, make_trial
):
    clocks = ticking(fit_ms=10.0)
    list(train(make_trial(steps=60, window_steps=10), classification_split, clocks=clocks))
    used_ms = clocks.spent_ms["predict"] + clocks.spent_ms["stored"]
    assert 0.01 < used_ms / clocks.spent_ms["fit_batch"] <= PREDICTIONS_CPU_SHARE < 0.02


def test_a_short_trial_has_one_turn_and_a_long_window_no_more_than_a_few(
    ticking, classification_split, make_trial
):
    calls_in_turn = 2 * CALLS_IN_TURN
    for fit_ms, turns in ((0.001, 1), (1000.0, 2 * MOST_TURNS)):
        clocks = ticking(fit_ms=fit_ms, prediction_ms=1.0)
        first, second = train(make_trial(steps=20), classification_split, clocks=clocks)
        warming_up = 1
        assert clocks.spent_ms["predict"] == (warming_up + turns) * calls_in_turn
        assert all(math.isfinite(first.metrics[name]) for name in PredictionMeter.metrics)
        assert first.metrics["predict_time_us"] == second.metrics["predict_time_us"]


def test_a_value_is_the_median_time_for_one_row(ticking, classification_split, make_trial):
    *_, last = train(
        make_trial(), classification_split, clocks=ticking(prediction_ms=3.0, fit_ms=100.0)
    )
    assert last.metrics["steady_predict_time_us"] == 3000
    assert last.metrics["steady_predict_sample_us"] == 3000 / BLOCK_ROWS
    assert last.metrics["predict_time_us"] == 2 * 3000
    assert last.metrics["predict_sample_us"] == 2 * 3000 / BLOCK_ROWS


def test_steady_time_of_predictions_leaves_out_what_slows_the_reference_steps_beside_them(
    ticking, classification_split, make_trial, monkeypatch
):
    """And not those between training steps, which leave more or less of the caches, by their batch size."""
    clocks = ticking(prediction_ms=3.0, fit_ms=100.0)
    trial = make_trial(nominal_reference_us=500.0, nominal_repeated_us=400.0)
    slowdowns = {500.0: 9.0, 400.0: 1.5}
    monkeypatch.setattr(Reference, "slowdown", lambda reference: slowdowns[reference.nominal_us])
    *_, last = train(trial, classification_split, clocks=clocks)
    assert last.metrics["steady_predict_time_us"] == pytest.approx(2000)
    assert last.metrics["predict_time_us"] == 6000


def test_they_count_in_no_training_metric(ticking, classification_split, make_trial):
    trial = make_trial(steps=20)
    *_, costly = train(trial, classification_split, clocks=ticking(prediction_ms=50.0))
    *_, free = train(trial, classification_split, clocks=ticking(prediction_ms=0.0, pickle_ms=0.0))
    others = set(metric_names("system", "accounting")) - set(PredictionMeter.metrics)
    timed = [name for name in others if METRIC_BY_NAME[name].unit in ("s", "ms", "µs", "%")]
    timed = sorted(set(timed) - {"run_queue_delay_s", "stolen_time_s"})  # read from the real kernel
    assert [costly.metrics[name] for name in timed] == pytest.approx(
        [free.metrics[name] for name in timed]
    )
    assert costly.metrics["cpu_time_s"] == pytest.approx(20 * classification_split.folds / 1e3)


def last_windows(trial, split):
    """The last windows of a trial without and with predictions, in two children of one warm process."""
    read, write = os.pipe()
    if os.fork() == 0:
        list(train(trial, split))
        gc.collect()
        gc.freeze()
        for predict in (Meter.predict, PredictionMeter.predict):
            if os.fork() == 0:
                PredictionMeter.predict = predict
                *_, last = train(trial, split)
                os.write(write, json.dumps(last.metrics).encode() + b"\n")
                os._exit(0)
            os.wait()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as lines:
        windows = [json.loads(line) for line in lines]
    os.wait()
    return windows


@pytest.mark.parametrize(("features", "algorithm"), [(5, None), (800, None), (100, "network")])
def test_models_and_memory_are_as_they_are_without_predictions(
    make_trial, make_random_split, features, algorithm
):
    split = make_random_split("classification", rows=1500, features=features)
    trial = make_trial(steps=30, window_steps=10)
    if algorithm:
        others = NETWORK | {"hidden_layer_sizes": [64]}
        trial = make_trial("multilayer_perceptron", others=others, steps=30, window_steps=10)
    without, with_predictions = last_windows(trial, split)
    assert math.isnan(without["model_mb"])
    assert with_predictions["model_mb"] > 0
    for name in (*metric_names("quality"), "samples_used"):
        np.testing.assert_equal(with_predictions[name], without[name], err_msg=name)
    for name in ("memory_mb", "memory_peak_mb"):
        assert with_predictions[name] == pytest.approx(without[name], abs=FEW_PAGES_MB), name


def test_a_larger_network_is_larger_and_slower(classification_split, make_trial):
    small, large = (
        [*train(make_trial("multilayer_perceptron", others=NETWORK | {"hidden_layer_sizes": size}), classification_split)][-1]
        for size in ([8], [800, 800])
    )  # fmt: skip
    assert large.metrics["model_mb"] > 100 * small.metrics["model_mb"]
    assert large.metrics["steady_predict_sample_us"] > 5 * small.metrics["steady_predict_sample_us"]


def test_a_models_size_is_that_of_its_pickle_in_whole_kilobytes(regression_split, make_trial):
    import pickle

    trial = make_trial("multilayer_perceptron_regressor", others=NETWORK | {"hidden_layer_sizes": [100]})  # fmt: skip
    model = FoldModel(trial, regression_split, fold=0)
    model.fit_batch()
    pickled = len(pickle.dumps(model.stored, protocol=5))
    assert stored_bytes(model.stored) == pytest.approx(pickled, rel=0.01)
    *_, last = train(trial, regression_split)
    kilobytes = last.metrics["model_mb"] * MB / KB
    assert kilobytes == round(kilobytes) >= pickled // KB


def test_a_prediction_is_in_the_targets_unit(regression_split, make_trial):
    model = FoldModel(make_trial("linear_regression", batch_size=64), regression_split, fold=0)
    for _ in range(200):
        model.fit_batch()
    predicted = model.predict(regression_split.train_features[:50].copy())
    expected = regression_split.train_target[:50]
    assert np.corrcoef(predicted, expected)[0, 1] > 0.9
    assert abs(predicted - expected).mean() < expected.std() / 2


def own_algorithm(**parameters):
    entry = ENTRIES["logistic_regression"] | {
        "estimator": "mine.py:NearestMean",
        "parameters": parameters,
        "hyperparameters": {},
    }
    return make_algorithm("nearest_mean", entry)


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(textwrap.dedent(OWN))


@pytest.mark.usefixtures("own_file")
def test_an_estimator_written_with_numpy_alone_has_them_too(classification_split, make_trial):
    *_, last = train(make_trial(own_algorithm(), others={}), classification_split)
    assert last.metrics["model_mb"] > 0
    assert last.metrics["predict_time_us"] > last.metrics["predict_sample_us"] > 0


@pytest.mark.usefixtures("own_file")
def test_a_model_that_cannot_be_pickled_has_no_size(classification_split, make_trial):
    *_, last = train(make_trial(own_algorithm(unpicklable=True), others={}), classification_split)
    assert last.end.status == Status.COMPLETED
    assert math.isnan(last.metrics["model_mb"])
    assert last.metrics["predict_time_us"] > 0


def test_a_limit_on_them_stops_a_trial_after_its_first_window(classification_split, make_trial):
    rule = MetricLimit("model_mb", limit=1e-6)
    (window,) = train(make_trial(), classification_split, rule)
    assert window.end.stop == Stop("metric_limit", "model_mb", 1e-6, window.metrics["model_mb"])


def test_a_diverged_model_is_not_asked(regression_split, make_trial):
    trial = make_trial("linear_regression", learning_rate=1e3)
    *_, last = train(trial, regression_split)
    assert last.end.status == Status.DIVERGED
    assert math.isnan(last.metrics["predict_time_us"])
