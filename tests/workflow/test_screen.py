"""What a run prints: little, and the answers at the end; all the rest is in Snakemake's log."""

import re

SEARCHES = 6


def test_a_run_prints_a_line_for_each_search_and_few_others(said):
    searches = [
        line for line in said if re.match(rf"\d of {SEARCHES} searches, about .* left \| ", line)
    ]
    assert len(searches) == SEARCHES
    (stopped,) = (line for line in searches if "iris/logistic_regression/memory/1" in line)
    assert re.search(r": 4 trials, 4 stopped in [\d.]+ (s|min)$", stopped)
    assert len(said) <= 60
    assert not [line for line in said if "rule " in line]


def test_its_last_words_are_both_answers_and_the_path_of_the_report(finished, said):
    answers = (finished.folder / "results" / "answers.txt").read_text()
    assert [line.partition(":")[0] for line in answers.splitlines()] == ["RQ1", "RQ2"]
    last = " ".join("\n".join(said).rsplit(f"{SEARCHES} of {SEARCHES} searches")[-1].split())
    assert " ".join(answers.split()) in last
    assert said[-1] == "Read results/report.html"


def test_its_first_words_name_the_log_that_has_every_job(finished, said):
    (log,) = (line.partition("details: ")[2] for line in said if "details: " in line)
    text = (finished.folder / log).read_text()
    assert len(re.findall(r"^(?:local)?rule search:", text, re.MULTILINE)) == SEARCHES
