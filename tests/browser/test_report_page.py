"""The report in a real browser: its reader unfolds, switches, sorts, filters and prints."""

import base64
import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from sysstop.report.figures.registry import report_figures
from sysstop.report.page import render_report
from sysstop.report.text_tables import ReportData
from tests.browser.conftest import PATIENCE_S
from tests.unit.generated_tables import (
    PAIRS,
    config,
    report_tables,
    trials_and_windows,
)

WIDE, NARROW = 1200, 400
DATASETS = ("digits", "diabetes_progression")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="700" height="300"></svg>'
A4_INCHES = {"paperWidth": 8.27, "paperHeight": 11.69}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    svgs = [folder / f"figures/{name}.svg" for name in ("rq1_cost", "rq2_tradeoff", "rq2_budget")]
    svgs += [folder / f"figures/rq2_replay/{dataset}.svg" for dataset in DATASETS]
    for svg in svgs:
        svg.parent.mkdir(parents=True, exist_ok=True)
        svg.write_text(SVG)
    trials, windows = trials_and_windows([PAIRS[0], PAIRS[2]], repetitions=1)
    tables = report_tables(trials, windows)
    study = config([PAIRS[0], PAIRS[2]], repetitions=1)
    file = folder / "report.html"
    file.write_text(render_report(ReportData(tables, study, {}), report_figures(svgs)))
    return file


@pytest.fixture
def show(browser, file):
    """Open the page at a width, at a place of it, in light or dark."""

    def show(width=WIDE, place="", scheme="light"):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        browser.get("about:blank")
        browser.get(file.as_uri() + place)
        sentence = browser.find_element(By.ID, "explorer-sentence")
        WebDriverWait(browser, PATIENCE_S).until(lambda _: sentence.get_attribute("textContent"))
        return browser

    return show


def is_open(page, fold):
    return page.find_element(By.ID, fold).get_property("open")


def test_only_the_answers_the_advice_and_the_explorer_are_unfolded(show):
    page = show()
    assert page.execute_script("return document.querySelectorAll('details[open]').length") == 0
    for name in ("rq1", "rq2", "use", "explorer"):
        assert page.find_element(By.ID, name).is_displayed()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_both_answers_are_on_the_first_screens_and_the_page_does_not_scroll_sideways(show, width):
    page = show(width)
    tops = [page.find_element(By.ID, name).rect["y"] for name in ("rq1", "rq2")]
    assert (tops[0] == tops[1]) == (width == WIDE)
    page.execute_script("for (const fold of document.querySelectorAll('details')) fold.open = true")
    html = page.find_element(By.TAG_NAME, "html")
    assert html.get_property("scrollWidth") <= width


def test_a_number_leads_to_its_row_and_unfolds_it(show):
    page = show()
    link = page.find_element(By.CSS_SELECTOR, "#rq2 .numbers a")
    row = page.find_element(By.ID, link.get_attribute("href").partition("#")[2])
    assert not row.is_displayed()
    link.click()
    WebDriverWait(page, PATIENCE_S).until(lambda _: row.is_displayed())


def test_a_link_from_elsewhere_unfolds_what_it_leads_to(show):
    page = show(place="#table-budget")
    assert is_open(page, "evidence-budget")
    assert not is_open(page, "evidence-replay")


def test_one_data_set_is_shown_at_a_time(show):
    page = show(place="#figure-replay")

    def shown():
        boxes = page.find_elements(By.CSS_SELECTOR, "#figure-replay [data-dataset]")
        return [box.get_attribute("data-dataset") for box in boxes if box.is_displayed()]

    assert shown() == [DATASETS[0]]
    *_, other = page.find_elements(By.CSS_SELECTOR, "#figure-replay .switch button")
    other.click()
    assert shown() == [DATASETS[1]]
    assert other.get_attribute("aria-pressed") == "true"


def column(page, table, at):
    cells = page.find_elements(By.CSS_SELECTOR, f"#{table} + .note ~ .wide table")[0]
    rows = cells.find_elements(By.CSS_SELECTOR, "tbody tr")
    return [row.find_elements(By.XPATH, "./*")[at].text for row in rows if row.is_displayed()]


def test_a_table_is_sorted_by_the_column_whose_head_is_clicked(show):
    page = show(place="#table-budget")
    heads = page.find_elements(By.CSS_SELECTOR, "#table-budget ~ .wide thead button")
    at = next(at for at, head in enumerate(heads) if head.text.startswith("Steps saved"))
    for _ in range(2):
        heads[at].click()
        values = [float(text) for text in column(page, "table-budget", at)]
        falls = heads[at].find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
        assert values == sorted(values, reverse=falls)
    assert falls and len(set(values)) > 1


def test_a_table_shows_the_rows_that_hold_all_words(show):
    page = show(place="#table-budget")
    page.find_element(By.CSS_SELECTOR, "#table-budget ~ .filter").send_keys("digits memory")
    assert column(page, "table-budget", 0) == ["digits · Logistic regression · memory"]


def test_the_name_of_a_row_stays_in_sight(show):
    page = show(NARROW, place="#table-budget")
    box = page.find_element(By.CSS_SELECTOR, "#table-budget ~ .wide")
    name = box.find_element(By.CSS_SELECTOR, "tbody th")
    before = name.rect["x"]
    page.execute_script("arguments[0].scrollLeft = 200", box)
    assert box.get_property("scrollLeft") == 200
    assert name.rect["x"] - page.execute_script("return scrollX") == pytest.approx(before, abs=1)


def test_a_reader_of_dark_pages_gets_one(show):
    def brightness(page):
        colour = page.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        return sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 3

    assert brightness(show()) > 200
    page = show(scheme="dark")
    assert brightness(page) < 60
    image = page.find_element(By.CSS_SELECTOR, "figure img")
    assert image.value_of_css_property("filter").startswith("invert")


def test_the_printed_page_holds_what_was_folded(show):
    page = show()
    page.execute_script(
        "addEventListener('beforeprint', () => "
        "window.unfolded = document.querySelectorAll('details:not([open])').length)"
    )
    printed = page.execute_cdp_cmd("Page.printToPDF", A4_INCHES)["data"]
    assert page.execute_script("return window.unfolded") == 0
    assert page.execute_script("return document.querySelectorAll('details[open]').length") == 0
    pages = len(re.findall(rb"/Type\s*/Page[^s]", base64.b64decode(printed)))
    assert 2 < pages <= 15


def test_nothing_goes_wrong(show):
    assert show().get_log("browser") == []
