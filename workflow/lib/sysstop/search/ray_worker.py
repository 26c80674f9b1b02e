"""The Python of Ray's workers: it hands them over to the run's server for them.

Ray starts as many workers for each search as it runs trials at once, and what they import takes longer
than a short trial.
"""

import os
import shlex
import sys
from itertools import dropwhile
from pathlib import Path

from sysstop.run.job_server import RAY_WORKERS, hand_over

WORKERS_PYTHON = f"{shlex.quote(sys.executable)} -m {__name__}"


def main() -> None:
    """Run a script as Python would: `python -m sysstop.search.ray_worker [OPTION...] SCRIPT [ARGUMENT...]`."""
    given = sys.argv[1:]
    script, *arguments = dropwhile(lambda argument: argument.startswith("-"), given)
    hand_over(Path(script), *arguments, server=RAY_WORKERS)
    os.execv(sys.executable, [sys.executable, *given])


if __name__ == "__main__":
    main()
