import itertools
import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from sysstop.study.losses import LOSSES, linear_scores
from sysstop.study.metrics import metric_names
from sysstop.study.status import Status, TrialEnd
from sysstop.trial.training import FoldModel, batch_rows, train


def machine_learning_part(windows):
    return [
        (w.number, w.step, list(w.losses), [w.metrics[name] for name in metric_names("quality")])
        for w in windows
    ]


def test_an_epoch_draws_every_row_once():
    rows = np.arange(100, 112)
    batches = list(itertools.islice(batch_rows(rows, 4, seed=1), 6))
    assert sorted(np.concatenate(batches[:3])) == sorted(rows)
    assert sorted(np.concatenate(batches[3:])) == sorted(rows)
    assert not np.array_equal(np.concatenate(batches[:3]), np.concatenate(batches[3:]))


def test_batches_keep_their_size_across_epochs():
    batches = itertools.islice(batch_rows(np.arange(10), 7, seed=1), 20)
    assert {len(batch) for batch in batches} == {7}


def test_a_trial_reports_every_metric_in_each_window(classification_split, make_trial):
    windows = list(train(make_trial(steps=25), classification_split))
    assert [window.step for window in windows] == [10, 20, 25]
    assert [len(window.losses) for window in windows] == [10, 10, 5]
    assert [window.end for window in windows] == [None, None, TrialEnd("completed", "budget")]
    assert set(windows[0].metrics) == set(metric_names())
    assert windows[-1].metrics["samples_used"] == 25 * 8 * classification_split.folds


def test_the_same_seed_gives_the_same_curves_bit_for_bit(classification_split, make_trial):
    first, second = (list(train(make_trial(), classification_split)) for _ in range(2))
    assert str(machine_learning_part(first)) == str(machine_learning_part(second))


def test_a_trial_ends_with_the_window_in_which_its_seconds_are_used(
    classification_split, make_trial
):
    (window,) = train(make_trial(seconds=1e-6), classification_split)
    assert window.end.status == Status.COMPLETED


def test_a_diverging_model_is_a_result(regression_split, make_trial):
    trial = make_trial("linear_regression", learning_rate=1e3)
    *_, last = train(trial, regression_split)
    assert last.end.status == Status.DIVERGED
    assert last.step <= 10
    assert math.isnan(last.metrics["score"])


def test_training_learns(classification_split, make_trial):
    first, last = train(make_trial(steps=600, window_steps=300), classification_split)
    assert last.metrics["accuracy"] > 0.8  # a third of it by guessing
    assert last.metrics["val_loss"] < first.metrics["val_loss"]


def test_warm_up_steps_are_not_counted_in_the_step_time(classification_split, make_trial):
    first, second, _ = train(make_trial(warmup_steps=10), classification_split)
    assert math.isnan(first.metrics["step_time_ms"])
    assert second.metrics["step_time_ms"] > 0
    assert first.metrics["train_time_s"] > 0


def trained(algorithm, split, make_trial):
    model = FoldModel(make_trial(algorithm, batch_size=16), split, fold=0)
    for _ in range(50):
        model.fit_batch()
    rows = model.validation_rows
    return model, model.scaled(split.train_features, rows), split.train_target[rows]


@pytest.mark.parametrize("classes", [2, 4])
def test_accuracy_is_scikit_learns(make_trial, make_random_split, classes):
    split = make_random_split("classification", classes=classes)
    model, features, target = trained("logistic_regression", split, make_trial)
    found = model.evaluate(split.train_features, split.train_target, model.validation_rows)
    assert found["accuracy"] == pytest.approx(model.model.score(features, target))
    assert np.allclose(
        linear_scores(model.model, features), model.model.decision_function(features)
    )


def test_rmse_is_scikit_learns_in_the_targets_unit(regression_split, make_trial):
    model, features, target = trained("linear_regression", regression_split, make_trial)
    predicted = model.model.predict(features) * model.target_scale + model.target_mean
    found = model.evaluate(
        regression_split.train_features, regression_split.train_target, model.validation_rows
    )
    expected = sklearn_metrics.root_mean_squared_error(target, predicted)
    assert found["rmse"] == pytest.approx(expected)
    assert found["score"] == -found["rmse"]


def test_losses_are_scikit_learns_for_two_classes():
    scores, target = np.array([2.0, -0.5, 0.3]), np.array([1, 1, 0])
    log = LOSSES["log_loss"].mean_of_scores(scores, target)
    hinge = LOSSES["hinge"].mean_of_scores(scores, target)
    probability = 1 / (1 + np.exp(-scores))
    assert log == pytest.approx(sklearn_metrics.log_loss(target, probability))
    assert hinge == pytest.approx(sklearn_metrics.hinge_loss(target, scores))


def test_the_loss_of_more_classes_sums_their_one_against_the_rest_losses():
    scores, target = np.array([[2.0, -1.0, 0.0], [0.5, 0.5, -2.0]]), np.array([0, 2])
    found = LOSSES["hinge"].mean_of_scores(scores, target)
    assert found == pytest.approx(((0 + 0 + 1) + (1.5 + 1.5 + 3)) / 2)


def test_validation_rows_bear_on_no_scaling(classification_split, make_trial):
    model = FoldModel(make_trial(), classification_split, fold=1)
    seen = classification_split.train_features[model.train_rows]
    assert np.allclose(model.mean, seen.mean(axis=0))
    assert not set(model.train_rows) & set(model.validation_rows)


def test_the_whole_training_part_serves_the_refit(classification_split, make_trial):
    model = FoldModel(make_trial(), classification_split, fold=classification_split.folds)
    assert len(model.train_rows) == len(classification_split.train_target)
