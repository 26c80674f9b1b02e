from sysstop.journal import Journal

IDENTITY = {"seed": 1}


def test_a_journal_continues_with_the_trials_it_holds(tmp_path):
    Journal(tmp_path / "j", IDENTITY).append({"trial_id": "a", "score": 0.1 + 0.2})
    assert Journal(tmp_path / "j", IDENTITY).finished == {
        "a": {"trial_id": "a", "score": 0.1 + 0.2}
    }


def test_a_journal_of_another_study_is_begun_anew(tmp_path):
    Journal(tmp_path / "j", IDENTITY).append({"trial_id": "a"})
    assert Journal(tmp_path / "j", {"seed": 2}).finished == {}


def test_a_line_that_a_crash_cut_short_is_dropped_and_the_journal_goes_on(tmp_path):
    path = tmp_path / "j"
    Journal(path, IDENTITY).append({"trial_id": "a"})
    with path.open("a") as file:
        file.write('{"trial_id": "b", "sco')
    Journal(path, IDENTITY).append({"trial_id": "c"})
    assert set(Journal(path, IDENTITY).finished) == {"a", "c"}
