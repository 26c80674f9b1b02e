"""What a search produces: its journal, MLflow runs and tables."""

import os

# Before any module of this room imports MLflow.
os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Else a run's end takes another request, just to print its address.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
