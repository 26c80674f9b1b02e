"""The models to deploy: refitted, with their preprocessing, as MLflow stores and serves them."""
