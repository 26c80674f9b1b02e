"""What a search produces: its journal, MLflow runs and tables."""
