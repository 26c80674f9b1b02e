"""A user's mistake ends the run at once, in one clear message, and leaves earlier results alone."""

import pytest


def last_words(run):
    assert run.returncode != 0
    return "\n".join(run.stderr.strip().splitlines()[-8:])


CONFIG_MISTAKES = {
    "unknown key": ({"budget__stepps": 1}, "unknown key budget.stepps; did you mean 'steps'?"),
    "wrong type": ({"study__repetitions": "three"}, "study.repetitions: found 'three', expected a"),
    "unknown data set": ({"study__datasets": ["irsi"]}, "did you mean 'iris'?"),
    "unknown rule": ({"arms__memory__rule": "limit"}, "unknown rule 'limit' in arms.memory.rule"),
    "limit never fires": ({"arms__memory__limit": 1e9}, "arms.memory.limit: 1000000000.0 MB can"),
    "folder as a name": (
        {"datasets__../x": {"source": "sklearn", "name": "iris", "task": "classification"}},
        "datasets",
    ),
}


@pytest.mark.parametrize(("changes", "message"), CONFIG_MISTAKES.values(), ids=CONFIG_MISTAKES)
def test_a_mistake_in_the_config_stops_the_run_before_it_begins(finished, changes, message):
    before = finished.results()
    run = finished.snakemake(config=finished.write_config("bad.yaml", **changes))
    assert message in last_words(run)
    assert "Traceback" not in run.stderr
    assert finished.results() == before


DATA = "area,rooms,rent\n" + "".join(
    f"{30 + 7 * i % 40},{i % 4},{400 + 9 * i}\n" for i in range(40)
)
ENTRY = {"source": "file", "path": "data/bad.csv", "target": "rent", "task": "regression"}

DATA_MISTAKES = {
    "missing file": (None, {}, "data/bad.csv"),
    "wrong hash": (DATA, {"sha256": "0" * 64}, "SHA-256"),
    "absent target": (DATA, {"target": "price"}, "'price'"),
    "constant target": (
        "area,rent\n" + "".join(f"{i * i},5\n" for i in range(40)),
        {},
        "only one value",
    ),
    "missing values": (DATA.replace("30,0", ",0"), {}, "area"),
    "text": (DATA.replace("30,0", "30,none"), {}, "rooms"),
    "text as target": (DATA.replace("400", "cheap"), {}, "'cheap'"),
    "fewer rows than folds": ("area,rent\n1,2\n", {}, "row"),
    "wrong delimiter": (DATA.replace(",", ";"), {}, "a semicolon seems to separate them"),
}


@pytest.fixture
def bad_data(finished):
    """Run the project up to a target on a data set `bad` with this text and registry entry."""
    file = finished.folder / "data" / "bad.csv"

    def run(path, text, **changes):
        if text is not None:
            file.write_text(text)
        config = finished.write_config(
            "bad.yaml",
            study__datasets=["bad"],
            study__algorithms=["linear_regression"],
            datasets__bad=ENTRY | changes,
        )
        return finished.snakemake(path, config=config)

    def earlier_results():
        return {path: text for path, text in finished.results().items() if "bad" not in path.parts}

    before = earlier_results()
    yield run
    file.unlink(missing_ok=True)
    assert earlier_results() == before


@pytest.mark.parametrize(("text", "changes", "message"), DATA_MISTAKES.values(), ids=DATA_MISTAKES)
def test_a_mistake_in_the_data_is_the_last_word_of_the_run(bad_data, text, changes, message):
    run = bad_data("results/data/bad/split", text, **changes)
    words = last_words(run)
    assert "bad" in words
    assert message in words
    assert "Traceback" not in run.stderr


def test_a_batch_larger_than_the_training_part_is_refused_before_training(bad_data):
    rows = "\n".join(DATA.splitlines()[:12])
    study = "results/studies/bad/linear_regression/trials.parquet"
    run = bad_data(study, rows)
    assert "grid.batch_size: [8] is larger than the 3 rows" in last_words(run)
    assert "trials done" not in run.stderr


def test_values_that_can_be_treated_are_treated_as_the_config_says(bad_data):
    text = DATA.replace("30,0", ",none").replace("37,1", "37,few")
    run = bad_data(
        "results/data/bad/split", text, missing="impute", categorical="one_hot", keep=["rooms"]
    )
    assert run.returncode == 0, run.stderr


def test_a_path_of_an_unknown_arm_is_named(finished):
    study = "results/studies/iris/logistic_regression/nothing/repetition-1/search.json"
    assert study in last_words(finished.snakemake(study))
