"""The colours in which limits on metrics are drawn. A metric that is not named takes a spare one."""

# Metrics that share a panel differ in hue; wall times are paler than steady ones. Colour and whether dashed.
COLOURS = {
    "steady_step_time_ms": ("#0072b2", False),
    "steady_sample_time_us": ("#9a4fb5", False),
    "steady_train_time_s": ("#d55e00", False),
    "step_time_ms": ("#3f007d", False),
    "sample_time_us": ("#bcbddc", False),
    "train_time_s": ("#807dba", False),
    "cpu_percent": ("#5f2a00", False),
    "memory_mb": ("#e6850e", False),
    "memory_peak_mb": ("#b04a00", True),
    "steady_predict_time_us": ("#00696b", False),
    "steady_predict_sample_us": ("#35b0ab", False),
    "predict_time_us": ("#8c2d6b", False),
    "predict_sample_us": ("#d48fc0", False),
    "model_mb": ("#8a7a00", False),
}
SPARE_COLOURS = ("#7b3294", "#c2a5cf", "#01665e", "#80cdc1")
