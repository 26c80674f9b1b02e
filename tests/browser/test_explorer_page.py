"""The explorer in a real browser: its reader moves the limit and reads the replay's results."""

import json
import re

import pandas as pd
import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from sysstop.analysis.replay import replay_table, replayed_rules, trial_signals
from sysstop.report.explorer import explorer_html, thinned
from sysstop.report.wording import number, percent
from tests.shipped import ENTRIES, LEVELS
from tests.unit.generated_tables import ARMS, GRID, trials_and_windows, trials_at_once

CLASSIFIED = "</script><script>alert('a & b')</script>"
REGRESSED = "a_data_set_whose_name_is_longer_than_the_window_of_a_telephone_is_wide"
PAIRS = [(CLASSIFIED, "logistic_regression"), (REGRESSED, "linear_regression")]
CLASSIFICATION = f"{CLASSIFIED} with logistic regression"
REGRESSION = f"{REGRESSED} with linear regression"
# Each quantity that tests choose, with the rule, the metric and the unit of its rows.
STEP_TIME = ("Steady step time (ms)", "metric_limit", "steady_step_time_ms", "ms")
PEAK_MEMORY = ("Peak memory (MB)", "metric_limit", "memory_peak_mb", "MB")
CPU = ("CPU (%)", "metric_limit", "cpu_percent", "%")
PREDICTED_TIME = (
    "Predicted steady training time (s)",
    "predicted_train_time",
    "steady_train_time_s",
    "s",
)
WIDE, NARROW = 1200, 400
PATIENCE_S = 120  # only if something is wrong, or the machine is very busy
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Explorer</title>
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body>{explorer}</body></html>
"""


@pytest.fixture(scope="module")
def tables():
    """Return tables in which the regression lacks repetition 2, memory and all CPU limits but one."""
    grid = GRID | {"batch_size": [8, 32, 512]}
    trials, windows = trials_and_windows(PAIRS, {"none": ARMS["none"]}, 2, grid)
    rules = replayed_rules(ARMS)
    replay = replay_table(trials, windows, rules, trials_at_once(trials), seed=2023)
    left_out = (replay["dataset"] == REGRESSED) & (
        (replay["repetition"] == 2) | replay["metric"].str.startswith("memory")
    )
    replay = replay[~left_out]
    is_cpu = (replay["dataset"] == REGRESSED) & (replay["metric"] == "cpu_percent")
    replay = pd.concat([replay[~is_cpu], replay[is_cpu].tail(1)])
    return replay, trial_signals(trials, windows, rules, LEVELS)


@pytest.fixture(scope="module")
def file(tables, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "explorer.html"
    file.write_text(PAGE.format(explorer=explorer_html(*tables, ENTRIES, LEVELS)))
    return file


class Explorer:
    """The page as its reader uses it."""

    def __init__(self, browser, file, width):
        self.browser = browser
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(file.as_uri())
        WebDriverWait(browser, PATIENCE_S).until(lambda _: self.sentence)

    def element(self, name):
        return self.browser.find_element(By.ID, f"explorer-{name}")

    def choose(self, quantity, pair=CLASSIFICATION, repetition=1):
        for name, text in {"pair": pair, "repetition": repetition, "quantity": quantity}.items():
            Select(self.element(name)).select_by_visible_text(str(text))

    @property
    def sentence(self):
        return self.element("sentence").get_attribute("textContent")

    @property
    def place(self):
        return int(self.element("limit").get_property("value"))

    def marks(self, state):
        return self.browser.find_elements(By.CSS_SELECTOR, f"[aria-label*='limit: {state}']")

    def shows(self, stopped, kept):
        """Wait until this many trials are drawn as stopped and as kept."""
        drawn = None

        def is_drawn(_):
            nonlocal drawn
            drawn = len(self.marks("stopped")), len(self.marks("kept"))
            return drawn == (stopped, kept)

        try:
            return WebDriverWait(self.browser, PATIENCE_S).until(is_drawn)
        except TimeoutException:
            pytest.fail(f"drawn as stopped and kept: {drawn}, not {(stopped, kept)}")


@pytest.fixture(params=[WIDE, NARROW])
def any_width(request, browser, file):
    return Explorer(browser, file, request.param)


@pytest.fixture
def explorer(browser, file):
    return Explorer(browser, file, WIDE)


def rows_of(replay, dataset, repetition, quantity):
    _, rule, metric, _ = quantity
    return replay[
        (replay["dataset"] == dataset)
        & (replay["repetition"] == repetition)
        & (replay["rule"] == rule)
        & (replay["metric"] == metric)
    ].sort_values("limit")


def sentence_of(row, unit):
    """Return what the reader should read about a row of the replay."""
    left = "no trial is left to choose from."
    if row["best_score"] == row["best_score"]:
        left = f"best score kept {number(row['best_score'])}, regret {number(row['regret'])}."
        left += " The best trial of all is stopped." if row["winner_stopped"] else ""
    return (
        f"Limit {number(row['limit'], 5)}\u00a0{unit}: "
        f"{row['trials_stopped']} of {row['trials']} trials stopped, "
        f"{percent(row['saved_time_fraction'])} of the steady training time saved, "
        f"{percent(row['saved_steps_fraction'])} of the steps saved; {left}"
    )


@pytest.mark.parametrize("keys", [Keys.HOME, Keys.END, Keys.HOME + 7 * Keys.ARROW_RIGHT, ""])
def test_the_reader_of_a_limit_reads_its_row(any_width, tables, keys):
    any_width.choose(STEP_TIME[0])
    any_width.element("limit").send_keys(keys)
    rows = thinned(rows_of(tables[0], CLASSIFIED, 1, STEP_TIME))
    row = rows.iloc[any_width.place]
    assert any_width.sentence == sentence_of(row, "ms")
    any_width.shows(row["trials_stopped"], row["trials"] - row["trials_stopped"])


def test_the_ends_of_the_slider_stop_all_and_none(explorer, tables):
    explorer.choose(STEP_TIME[0])
    rows = rows_of(tables[0], CLASSIFIED, 1, STEP_TIME)
    for key, row in [(Keys.HOME, rows.iloc[0]), (Keys.END, rows.iloc[-1])]:
        explorer.element("limit").send_keys(key)
        assert explorer.sentence == sentence_of(row, "ms")
    assert "no trials" not in explorer.sentence
    assert re.search(r": 0 of 24 trials stopped, 0\u00a0% .* regret 0\.$", explorer.sentence)


def test_dragging_the_limit_changes_what_is_read(explorer, tables):
    explorer.choose(STEP_TIME[0])
    slider, before = explorer.element("limit"), explorer.place
    drag = ActionChains(explorer.browser)
    drag.move_to_element_with_offset(slider, int(0.25 * slider.size["width"]), 0)
    drag.click_and_hold().move_by_offset(-slider.size["width"] // 2, 0).release().perform()
    assert explorer.place < before
    row = thinned(rows_of(tables[0], CLASSIFIED, 1, STEP_TIME)).iloc[explorer.place]
    assert explorer.sentence == sentence_of(row, "ms")


@pytest.mark.parametrize(
    ("pair", "dataset", "repetition", "quantity"),
    [
        (CLASSIFICATION, CLASSIFIED, 2, STEP_TIME),
        (CLASSIFICATION, CLASSIFIED, 2, PEAK_MEMORY),
        (CLASSIFICATION, CLASSIFIED, 1, PREDICTED_TIME),
        (REGRESSION, REGRESSED, 1, STEP_TIME),
        (REGRESSION, REGRESSED, 1, CPU),
    ],
)
def test_another_choice_shows_its_own_rows(any_width, tables, pair, dataset, repetition, quantity):
    any_width.choose(quantity[0], pair, repetition)
    rows = thinned(rows_of(tables[0], dataset, repetition, quantity))
    assert any_width.place == round(0.75 * (len(rows) - 1))
    assert any_width.sentence == sentence_of(rows.iloc[any_width.place], quantity[-1])


def test_a_limit_stays_where_it_is_in_another_repetition(explorer, tables):
    explorer.choose(PEAK_MEMORY[0], repetition=1)
    explorer.element("limit").send_keys(Keys.ARROW_LEFT)
    place = explorer.place
    explorer.choose(PEAK_MEMORY[0], repetition=2)
    assert explorer.place == place
    row = thinned(rows_of(tables[0], CLASSIFIED, 2, PEAK_MEMORY)).iloc[place]
    assert explorer.sentence == sentence_of(row, "MB")


@pytest.mark.parametrize(("quantity", "repetition"), [(PEAK_MEMORY, 1), (STEP_TIME, 2)])
def test_what_was_not_replayed_is_said_and_can_be_left(explorer, quantity, repetition):
    explorer.choose(quantity[0], REGRESSION, repetition)
    assert explorer.sentence == "Here no limit of this kind was replayed."
    assert not explorer.element("limit").is_enabled()
    assert not explorer.element("chart").is_displayed()
    explorer.choose(quantity[0], CLASSIFICATION, repetition)
    assert explorer.sentence.startswith("Limit ")
    assert explorer.element("limit").is_enabled()
    assert explorer.element("chart").is_displayed()


def test_a_screen_reader_hears_the_limit(explorer):
    explorer.choose(STEP_TIME[0])
    explorer.element("limit").send_keys(Keys.ARROW_LEFT)
    spoken = explorer.element("limit").get_attribute("aria-valuetext")
    assert explorer.sentence.startswith(f"Limit {spoken}: ")


def test_names_of_the_user_are_read_as_they_are(explorer):
    options = Select(explorer.element("pair")).options
    assert sorted(option.get_attribute("textContent") for option in options) == sorted(
        [CLASSIFICATION, REGRESSION]
    )


def test_the_trials_show_their_configuration_and_score(explorer, tables):
    explorer.choose(STEP_TIME[0])
    trials = rows_of(tables[1].assign(limit=0), CLASSIFIED, 1, STEP_TIME)
    explorer.element("limit").send_keys(Keys.END)
    explorer.shows(0, len(trials))
    ActionChains(explorer.browser).move_to_element(explorer.marks("kept")[-1]).perform()
    tip = explorer.browser.find_element(By.ID, "vg-tooltip-element").text
    shown = dict(re.findall(r"^(.*\D) (\S+)$", tip, re.MULTILINE))
    trial = trials[
        (trials["batch_size"] == float(shown["Batch size"].replace(",", "")))
        & (trials["learning_rate"] == float(shown["Learning rate"]))
        & (trials["alpha"] == float(shown["Alpha"]))
    ]
    assert shown["Score"] == number(trial["score"].item())


def test_the_page_does_not_scroll_sideways(any_width):
    for quantity in (STEP_TIME, PREDICTED_TIME):
        any_width.choose(quantity[0], REGRESSION)
        chart = any_width.element("chart")
        WebDriverWait(any_width.browser, PATIENCE_S).until(
            lambda _, chart=chart: (
                chart.get_property("scrollWidth") <= chart.get_property("clientWidth")
            )
        )
        page = any_width.browser.find_element(By.TAG_NAME, "html")
        assert page.get_property("scrollWidth") <= page.get_property("clientWidth")


def test_nothing_is_fetched_and_nothing_goes_wrong(any_width):
    for quantity, pair in [(STEP_TIME, REGRESSION), (CPU, REGRESSION), (PEAK_MEMORY, REGRESSION)]:
        any_width.choose(quantity[0], pair)
    any_width.choose(PEAK_MEMORY[0])
    any_width.element("limit").send_keys(Keys.HOME)
    messages = [
        json.loads(entry["message"])["message"]
        for entry in any_width.browser.get_log("performance")
    ]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [address for address in asked if not address.startswith("data:")] == [
        any_width.browser.current_url
    ]
    assert any_width.browser.get_log("browser") == []
