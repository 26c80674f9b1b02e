"""The colours in which limits on metrics are drawn. A metric that is not named takes a spare one."""

# One hue for time, another for CPU and memory; colour and whether it is dashed.
COLOURS = {
    "step_time_ms": ("#08306b", False),
    "sample_time_us": ("#74add6", False),
    "train_time_s": ("#2171b5", False),
    "cpu_percent": ("#5f2a00", False),
    "memory_mb": ("#e6850e", False),
    "memory_peak_mb": ("#b04a00", True),
}
SPARE_COLOURS = ("#7b3294", "#c2a5cf", "#01665e", "#80cdc1")
