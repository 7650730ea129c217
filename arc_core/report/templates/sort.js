// A click on a column's head sorts by it, a second one turns the order; what has no value stays last.
const words = new Intl.Collator(undefined, { numeric: true });
for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (!head) return;
    const turned = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const compare = head.classList.contains("number") ? (a, b) => a - b : words.compare;
    const value = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent;
    const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => (a === "") - (b === "") || turned * compare(a, b));
    table.tBodies[0].append(...rows.map(([, row]) => row));
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", turned > 0 ? "ascending" : "descending");
  });
}
