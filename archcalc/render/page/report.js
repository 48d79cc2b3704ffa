"use strict";
// Without this script the tables are whole; with it they can be sorted and filtered.
for (const table of document.querySelectorAll("table.layers")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numbers = head.dataset.kind === "number";
      // Figures begin with the largest, words with A; a second click turns that round.
      const first = numbers ? "descending" : "ascending";
      const other = numbers ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const value = (row) => row.cells[column].dataset.value;
      const compare = numbers
        ? (a, b) => {
            const unknown = (value(a) === "") - (value(b) === "");
            return unknown || sign * (Number(value(a)) - Number(value(b)));
          }
        : (a, b) => sign * value(a).localeCompare(value(b), undefined, { numeric: true });
      body.append(...rows.slice().sort(compare));
    });
  });
  const field = document.createElement("input");
  field.type = "search";
  const words = `Filter the layers of ${table.dataset.name}`;
  field.placeholder = "filter by name, kind or shape";
  field.setAttribute("aria-label", words);
  const count = document.createElement("p");
  count.setAttribute("role", "status");
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = wanted.length ? `${shown} of ${rows.length} layers` : "";
  });
  table.parentElement.before(field, count);
}
