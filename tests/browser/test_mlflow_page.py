"""A study in MLflow's own page, in a real browser: the view that comes with each experiment."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from sysstop.results.store import open_store
from tests.browser.conftest import PATIENCE_S
from tests.cluster.tracking_server import free_port
from tests.unit.test_tracking import EXPERIMENT, STUDY, finished_trial, write

VIEW = "Scores and costs"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a server with one study, whose trials end with different scores."""
    folder = tmp_path_factory.mktemp("server")
    uri = f"sqlite:///{folder}/mlflow.db"
    store = open_store(uri)
    write(
        store, *(finished_trial(name, score=[0.5, end]) for name, end in (("a", 0.75), ("b", 1.0)))
    )
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--workers",
        "1",
    ]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    WebDriverWait(None, PATIENCE_S, ignored_exceptions=[OSError]).until(
        lambda _: urllib.request.urlopen(f"{address}/health", timeout=2).status == 200
    )
    yield address
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def test_a_view_has_the_columns_that_matter(browser, address):
    store = open_store(address)
    experiment = store.client.get_experiment_by_name(EXPERIMENT)
    # The page draws its parts anew while it loads.
    redrawn = [StaleElementReferenceException]
    wait = WebDriverWait(browser, PATIENCE_S, ignored_exceptions=redrawn)

    def button(text):
        found = browser.find_elements(By.XPATH, f"//*[normalize-space(text())='{text}']")
        return next((element for element in found if element.is_displayed()), None)

    def clicked(text):
        if element := button(text):
            element.click()
        return element

    def headers():
        cells = "document.querySelectorAll('[role=columnheader]')"
        return set(
            browser.execute_script(f"return [...{cells}].map(cell => cell.innerText.trim())")
        )

    browser.set_window_size(2400, 900)
    browser.get(
        f"{address}/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    )
    wait.until(lambda _: button(f"{STUDY.arm}, repetition {STUDY.repetition}"))
    assert "score" not in headers()
    wait.until(lambda _: clicked("Views"))
    wait.until(lambda _: clicked(VIEW))
    wait.until(lambda _: {"score", "steady_train_time_s", "memory_peak_mb"} <= headers())
