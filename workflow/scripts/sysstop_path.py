"""Let a script import the library next to it, whatever else is installed, and run in a warm process.

Snakemake lets scripts import from their own folder, and drops PYTHONPATH under conda and apptainer.
A script imports this before anything else, so that its log also says why it could not begin.
"""

import sys
from pathlib import Path

import __main__

sys.path.insert(0, str(Path(__file__).parents[1] / "lib"))

from sysstop.run.job import log_uncaught_errors
from sysstop.run.job_server import hand_over

if hasattr(__main__, "snakemake"):
    log = Path(__main__.snakemake.log[0])
    log_uncaught_errors(log)
    hand_over(Path(__main__.__real_file__), log=log)
