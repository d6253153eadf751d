// Charts: <figure data-chart="line" data-source="ID"> draws the data of the JSON script #ID.
// Live points come with a swapped partial as <script type="application/json" data-live-points>.
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = new Map();

const dashes = {
  champion: [],
  challenger: [],
  popularity: [2, 3],
  knn: [6, 4],
  textonly: [8, 3, 2, 3],
};
const points = {
  champion: "circle",
  challenger: "triangle",
  popularity: "rectRot",
  knn: "rect",
  textonly: "crossRot",
};

function lineSet(series) {
  const color = css(`--v-${series.role}`);
  return {
    label: series.label,
    data: series.data,
    borderColor: color,
    backgroundColor: color,
    borderDash: dashes[series.role] || [],
    pointStyle: points[series.role] || "circle",
    pointRadius: series.points ? 6 : series.data.length > 30 ? 0 : 4,
    borderWidth: 2,
    showLine: !series.points,
    tension: 0,
  };
}

// A 95 % interval as a band of the series’ color at 18 %, left out of legend and tooltip.
function bandSets(series) {
  if (!series.low) return [];
  const bare = { label: "", borderWidth: 0, pointRadius: 0 };
  const tint = `${css(`--v-${series.role}`)}2E`;
  return [
    { ...bare, data: series.low, fill: "+1", backgroundColor: tint },
    { ...bare, data: series.high },
  ];
}

function options(data) {
  const grid = { color: css("--v-line") };
  const ticks = { color: css("--v-quiet") };
  return {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    scales: {
      x: {
        type: data.labels ? "category" : "linear",
        grid,
        ticks: data.unit ? ticks : { ...ticks, precision: 0 },
        ...(data.unit && { min: 0, max: 1 }),
        title: { display: !!data.x, text: data.x, color: css("--v-quiet") },
      },
      y: {
        grid,
        ticks,
        beginAtZero: !!data.zero,
        ...(data.unit && { min: 0, max: 1 }),
        title: { display: !!data.y, text: data.y, color: css("--v-quiet") },
      },
    },
    plugins: {
      legend: {
        position: "top",
        align: "start",
        labels: {
          color: css("--v-text"),
          usePointStyle: true,
          boxHeight: 7,
          filter: (entry, drawn) =>
            entry.text !== "" && drawn.datasets[entry.datasetIndex].data.length > 0,
        },
      },
      tooltip: { filter: (entry) => entry.dataset.label !== "" },
    },
  };
}

function draw(figure) {
  const data = JSON.parse(document.getElementById(figure.dataset.source).textContent);
  const canvas = figure.querySelector("canvas");
  drawn.get(canvas)?.chart.destroy();
  const datasets = data.series.flatMap((series) => [lineSet(series), ...bandSets(series)]);
  const type = figure.dataset.chart;
  const points = { pointRadius: 3, clip: 8 };
  if (type === "scatter") datasets.forEach((set) => Object.assign(set, points));
  const chart = new Chart(canvas, {
    type,
    data: { labels: data.labels, datasets },
    options: options(data),
  });
  drawn.set(canvas, { chart, figure, data });
}

function addLive() {
  for (const script of document.querySelectorAll("script[data-live-points]")) {
    const fresh = JSON.parse(script.textContent);
    for (const { chart, figure, data } of drawn.values()) {
      const series = fresh[figure.id];
      if (!series) continue;
      series.forEach((points, i) => {
        data.series[i].data = points;
        chart.data.datasets[i].data = points;
      });
      chart.update("none");
      if (!series.some((points) => points.length)) continue;
      figure.querySelector("[data-empty]")?.remove();
      figure.querySelector(".v-canvas")?.removeAttribute("hidden");
      chart.resize();
    }
    script.remove();
  }
}

const drawAll = () => document.querySelectorAll("figure[data-chart]").forEach(draw);
drawAll();
document.body.addEventListener("htmx:afterSwap", addLive);
document.body.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body)
    event.target.querySelectorAll?.("figure[data-chart]").forEach(draw);
  if (event.target.matches?.("figure[data-chart]")) draw(event.target);
});
new MutationObserver(drawAll).observe(document.documentElement, {
  attributes: true,
  attributeFilter: ["class"],
});
