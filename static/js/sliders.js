// Sliders: a threshold with the trade-off at its value, from the JSON of its section.
for (const section of document.querySelectorAll("[data-slider]")) {
  const input = section.querySelector("input[type=range]");
  const output = section.querySelector("output");
  const said = section.querySelector("[data-tradeoff]");
  const points = JSON.parse(section.querySelector("script[type='application/json']").textContent);
  const percent = (share) => (share === null ? "none" : `${(100 * share).toFixed(0)} %`);

  const show = () => {
    output.textContent = Number(input.value).toFixed(2);
    if (!points.length) return;
    const near = points.reduce((a, b) =>
      Math.abs(b.threshold - input.value) < Math.abs(a.threshold - input.value) ? b : a,
    );
    said.textContent =
      `Answered: ${percent(near.answered)}. Right among the answers: ${percent(near.right)}.`;
  };
  input.addEventListener("input", show);
  show();
}
