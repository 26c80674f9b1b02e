"""What only the text of a config file shows."""

import pytest

from sysstop.plan.config_files import check_config_files
from sysstop.run.errors import UserError


@pytest.fixture
def refusal(tmp_path):
    """The message about a config file with this text; empty if it can be used."""

    def check(text):
        file = tmp_path / "mine.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            check_config_files([file])
        except UserError as error:
            return str(error)
        return ""

    return check


def test_a_key_that_is_given_twice_is_refused_with_its_lines(refusal):
    message = refusal(
        "grid: {alpha: [0.1]}\nbudget:\n  steps: 10\n  steps: 20\ngrid:\n  alpha: [0.2]\n"
    )
    assert "mine.yaml: the key grid is given twice, in lines 1 and 5" in message
    assert "the key budget.steps is given twice, in lines 3 and 4" in message


def test_a_key_within_a_list_is_found_too(refusal):
    assert "the key a.1.b is given twice, in lines 3 and 4" in refusal("a:\n- 1\n- b: 1\n  b: 2\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "grid: {alpha: [0.1]}\nsplit: {folds: 2}\n",
        "a: &x {b: 1}\nc: &y {d: 2}\ne:\n  <<: *x\n  <<: *y\n",
        "a: &a\n  b: *a\n  c: *a\n",
        '{"a": 1, "b": {"a": 2}}',
        "__use_yte__: true\n?if True:\n  a: 1\n?if False:\n  a: 2\n",
    ],
    ids=["empty", "different keys", "merged", "in itself", "JSON", "template"],
)
def test_a_file_that_gives_each_key_once_can_be_used(refusal, text):
    assert refusal(text) == ""
