"""Let a script import the library beside it, whatever else is installed.

Snakemake lets scripts import from their own folder, and drops PYTHONPATH under conda and apptainer.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "lib"))
