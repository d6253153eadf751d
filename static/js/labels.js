// Labels by keyboard: 1 to 3 judge the clause with its chosen topic and go on, j and k move.
const list = document.getElementById("labels");
if (list) {
  const rows = [...list.querySelectorAll("[data-opinion]")];
  const token = list.querySelector("[name=csrfmiddlewaretoken]").value;
  const left = document.getElementById("left");
  let at = 0;

  const focus = (next) => {
    at = Math.min(Math.max(next, 0), rows.length - 1);
    rows[at].focus();
  };
  const save = async (row, button) => {
    const reply = await fetch(list.dataset.save, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify({
        opinion: Number(row.dataset.opinion),
        topic: row.querySelector("select").value,
        polarity: Number(button.dataset.polarity),
      }),
    });
    if (!reply.ok) {
      const { error } = await reply.json().catch(() => ({}));
      left.textContent = `Not stored: ${error || reply.status}.`;
      focus(rows.indexOf(row));
      return;
    }
    for (const one of row.querySelectorAll("[data-polarity]"))
      one.setAttribute("aria-pressed", String(one === button));
    const open = rows.filter((one) => !one.querySelector("[aria-pressed=true]")).length;
    left.textContent = open
      ? `${open} of ${rows.length} clauses have no label yet.`
      : `All ${rows.length} clauses have a label; load the page for more.`;
  };
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-polarity]");
    if (!button) return;
    const row = button.closest("[data-opinion]");
    at = rows.indexOf(row);
    save(row, button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) return;
    if (/^[1-3]$/.test(event.key)) {
      const button = rows[at].querySelectorAll("[data-polarity]")[Number(event.key) - 1];
      if (!button) return;
      const row = rows[at];
      focus(at + 1);
      save(row, button);
    } else if (event.key === "j" || event.key === "ArrowDown") focus(at + 1);
    else if (event.key === "k" || event.key === "ArrowUp") focus(at - 1);
    else return;
    event.preventDefault();
  });
  focus(at);
}
