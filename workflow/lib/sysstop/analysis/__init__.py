"""From tables to tables: effects, noise, budgets, replay and prediction."""
