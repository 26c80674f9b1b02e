(async () => {
  const {studies, specification, firstPlace, margin} =
    JSON.parse(document.getElementById("explorer-data").textContent);
  const [pair, repetition, quantity, slider, sentence, chart, note] =
    ["pair", "repetition", "quantity", "limit", "sentence", "chart", "note"]
      .map(name => document.getElementById("explorer-" + name));
  // Errors alone are logged (1): until it is handed data below, the chart warns of empty axes.
  const {view} = await vegaEmbed(chart, specification, {mode: "vega-lite", renderer: "svg",
    actions: false, defaultStyle: false, logLevel: 1});
  const rows = columns => Object.values(columns)[0].map((_, at) =>
    Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[at]])));
  // Where the limit stands among those of its quantity, which may have fewer than another: 0 to 1.
  let place = firstPlace;

  const show = () => {
    const study = (studies[pair.value] || {})[repetition.value];
    const chosen = study && study.quantities[quantity.value];
    chart.hidden = slider.disabled = !chosen;
    if (!chosen) {
      sentence.textContent = "Here no limit of this kind was replayed.";
      note.textContent = "";
      return;
    }
    const limits = rows(chosen.limits);
    slider.max = limits.length - 1;
    slider.value = Math.round(place * slider.max);
    const at = slider.valueAsNumber, here = limits[at];
    const trials = rows({...study.trials, ...chosen.trials});
    for (const trial of trials) trial.state = trial.limits_below > at ? "stopped" : "kept";
    slider.setAttribute("aria-valuetext", here.limit_text);
    sentence.textContent = "Limit " + here.limit_text + ": " + here.stopped_text + " stopped, "
      + here.saved_time_text + " of the steady training time saved, "
      + here.saved_steps_text + " of the steps saved; "
      + (here.best_score === null ? "no trial is left to choose from."
        : "best score kept " + here.best_score_text + ", regret " + here.regret_text + "."
          + (here.winner_stopped ? " The best trial of all is stopped." : ""));
    note.textContent = chosen.note;
    view.data("trials", trials).data("limits", limits).data("here", [here])
      .signal("quantity", quantity.value).signal("score", study.score)
      .signal("regret", study.regret).runAsync();
  };
  slider.addEventListener("input", () => {
    place = slider.max > 0 ? slider.value / slider.max : place;
    show();
  });
  for (const select of [pair, repetition, quantity]) select.addEventListener("change", show);
  show();
  new ResizeObserver(() => {
    if (chart.clientWidth)
      view.width(Math.max(160, chart.clientWidth - margin)).runAsync();
  }).observe(chart);
})().catch(error => {
  document.getElementById("explorer-sentence").textContent = "The explorer failed: " + error;
  throw error;
});
