"""The figures: each function makes one from tables, and `style.save` writes it."""
