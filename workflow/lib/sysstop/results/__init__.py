"""What a search leaves: its journal, MLflow runs and tables."""
