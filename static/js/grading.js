// Grading by keyboard: 0 to 3 grade the current product and go on, j and k move.
const list = document.getElementById("grades");
if (list) {
  const rows = [...list.querySelectorAll("[data-item]")];
  const token = list.querySelector("[name=csrfmiddlewaretoken]").value;
  const left = document.getElementById("left");
  let at = Math.max(
    0,
    rows.findIndex((row) => !row.querySelector("[aria-pressed=true]")),
  );

  const focus = (next) => {
    at = Math.min(Math.max(next, 0), rows.length - 1);
    rows[at].focus();
  };
  const tell = () => {
    const open = rows.filter((row) => !row.querySelector("[aria-pressed=true]")).length;
    left.textContent = open
      ? `${open} of ${rows.length} products are not graded yet for “${list.dataset.query}”.`
      : `All ${rows.length} products are graded for “${list.dataset.query}”.`;
  };
  const grade = async (row, value) => {
    const reply = await fetch(list.dataset.save, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify({ query: list.dataset.query, item_id: row.dataset.item, grade: value }),
    });
    if (!reply.ok) {
      const { error } = await reply.json().catch(() => ({}));
      left.textContent = `Not stored: ${error || reply.status}.`;
      focus(rows.indexOf(row));
      return;
    }
    for (const button of row.querySelectorAll("[data-grade]"))
      button.setAttribute("aria-pressed", String(button.dataset.grade === String(value)));
    tell();
  };
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-grade]");
    if (!button) return;
    const row = button.closest("[data-item]");
    at = rows.indexOf(row);
    grade(row, Number(button.dataset.grade));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) return;
    if (/^[0-3]$/.test(event.key)) {
      const row = rows[at];
      focus(at + 1);
      grade(row, Number(event.key));
    } else if (event.key === "j" || event.key === "ArrowDown") focus(at + 1);
    else if (event.key === "k" || event.key === "ArrowUp") focus(at - 1);
    else return;
    event.preventDefault();
  });
  focus(at);
}
