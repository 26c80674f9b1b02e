(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // A link into a fold opens it.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details"))
      fold.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  // On paper there is nothing to unfold.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const fold of folded) fold.open = true;
  });
  addEventListener("afterprint", () => { for (const fold of folded) fold.open = false; });

  // One data set at a time, the same in all figures.
  const choose = dataset => {
    for (const part of all("[data-dataset]")) part.hidden = part.dataset.dataset !== dataset;
    for (const button of all(".switch button"))
      button.setAttribute("aria-pressed", button.textContent === dataset);
  };
  for (const button of all(".switch button"))
    button.addEventListener("click", () => choose(button.textContent));
  const first = document.querySelector(".switch button");
  if (first) choose(first.textContent);
  for (const bar of all(".switch")) bar.hidden = false;

  // Cells such as "31 (25 to 36)" or "3 of 4" sort by their first number, others as text.
  const asNumber = text => parseFloat(text.replace(/,/g, "").replace(/^[^\d−-]*/, "").replace("−", "-"));
  const compare = (a, b, numeric) => {
    if (!numeric) return a.localeCompare(b, "en", {numeric: true});
    const [x, y] = [asNumber(a), asNumber(b)];
    return Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : x - y;
  };
  const LONG = 8;
  for (const table of all("table")) {
    const body = table.tBodies[0], rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    for (const [at, head] of heads.entries()) {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const texts = new Map(rows.map(row => [row, row.cells[at].textContent.trim()]));
        const numeric = at > 0 && rows.some(row => /^[\d−+±-]/.test(texts.get(row)));
        const falls = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falls ? "descending" : "ascending");
        const sorted = [...rows].sort((a, b) => compare(texts.get(a), texts.get(b), numeric));
        body.append(...(falls ? sorted.reverse() : sorted));
      });
    }
    if (rows.length <= LONG) continue;
    const filter = document.createElement("input");
    filter.type = "search";
    filter.className = "filter";
    filter.placeholder = "Filter rows";
    filter.setAttribute("aria-label", "Filter rows");
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/);
      for (const row of rows)
        row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
    });
    table.closest(".wide").before(filter);
  }
})();
