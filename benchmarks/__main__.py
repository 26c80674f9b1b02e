"""Run all benchmarks, print their tables, and write them and a figure to results/benchmark."""

import datetime
from pathlib import Path

import pandas as pd

from benchmarks.growth import measure_growth
from benchmarks.speed import measure_speed
from benchmarks.steady_time import measure_steady_time
from benchmarks.trust import measure_memory, measure_monitor, measure_order
from sysstop.report.figures.style import BASELINE_COLOUR, PALETTE, save, styled
from sysstop.run.provenance import environment, git_state
from sysstop.search.host_load import HostLoad

FOLDER = Path("results") / "benchmark"


def main() -> None:
    """Measure, print and write."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    load = HostLoad()
    sections = {
        "Two readings of a step's time: how far they are apart (%)": measure_steady_time(),
        "Monitoring": _table(measure_monitor()),
        "Memory of large batches (MB)": measure_memory(),
        "Order and workers": measure_order(),
        "Growth": _table(measure_growth()),
    }
    speed = measure_speed()
    sections["Speed"] = speed
    _draw_speed(speed)
    speed.to_parquet(FOLDER / "speed.parquet", index=False)
    page = f"# Benchmark\n\n{_circumstances(load)}\n"
    for title, table in sections.items():
        page += f"\n## {title}\n\n{table.to_markdown(index=False, floatfmt='.4g')}\n"
    (FOLDER / "benchmark.md").write_text(page)
    print(page)


def _table(figures: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"figure": figures.keys(), "value": map(str, figures.values())})


def _circumstances(load: HostLoad) -> str:
    machine = environment() | git_state(Path(__file__).parent)
    stolen = load.read(trials_cpu_s=0.0)["stolen_cpu_percent"]
    return (
        f"{datetime.date.today().isoformat()}, {machine['cpu_model']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GiB, Python {machine['python']}, Ray {machine['ray']}, MLflow "
        f"{machine['mlflow']}, scikit-learn {machine['scikit_learn']}, commit "
        f"{machine['git_commit'][:7]}{' with changes' if machine['dirty'] else ''}. Load before: "
        f"{load.load_before:.2f}; CPU time taken by other virtual machines: {stolen:.1f} %."
    )


@styled
def _draw_speed(speed: pd.DataFrame) -> None:
    """Draw each contender's wall time as a multiple of the limit, a panel for each trial length."""
    import matplotlib.pyplot as plt

    lengths = sorted(speed["trial_s"].unique(), reverse=True)
    figure, panels = plt.subplots(
        len(lengths),
        1,
        figsize=(8, 0.5 + 0.42 * len(speed)),
        sharex=True,
        height_ratios=[(speed["trial_s"] == length).sum() for length in lengths],
        layout="constrained",
    )
    for panel, length in zip(panels, lengths, strict=True):
        rows = speed[speed["trial_s"] == length][::-1]
        ours = rows["contender"].str.startswith("this pipeline")
        colours = [PALETTE[0] if own else BASELINE_COLOUR for own in ours]
        bars = panel.barh(rows["contender"], rows["of_limit"], color=colours, height=0.6)
        panel.bar_label(
            bars,
            fmt="%.2f",
            padding=3,
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        panel.axvline(1, color="black", linewidth=1)
        panel.grid(axis="y", visible=False)
        panel.set_title(f"{rows['trials'].iloc[0]} trials of about {length:g} s", loc="left")
    panels[-1].set_xlabel("Wall time as a multiple of a bare process pool's on the same trials")
    panels[-1].set_xlim(0, 1.1 * speed["of_limit"].max())
    save(figure, FOLDER / "speed.svg", FOLDER / "speed.pdf")
    plt.close(figure)


if __name__ == "__main__":
    main()
