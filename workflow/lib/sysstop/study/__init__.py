"""What a study is: its keys, algorithms, metrics, stopping rules, arms and config."""
