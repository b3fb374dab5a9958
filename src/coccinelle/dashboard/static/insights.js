/** Draws each chart of the page from the table behind it, which says the same without it. */

const LANGUAGE = document.documentElement.lang;
const DAY = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", timeZone: "UTC" });
const LABEL_PX = 64;
const HEIGHT_PX = 220;

const { uPlot } = globalThis;
const charts = [...document.querySelectorAll("figure.chart")].map(read);

for (const chart of charts) {
  draw(chart);
  new ResizeObserver(() => fit(chart)).observe(chart.plot.parentElement);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(draw));

/** What a figure's table says: its days, and each series with its name, title and values. */
function read(figure) {
  const [, ...heads] = figure.querySelectorAll("thead th");
  const rows = [...figure.querySelectorAll("tbody tr")];
  const series = heads.map((head, at) => ({
    name: head.className,
    title: head.textContent,
    values: rows.map((row) => valueOf(row.cells[at + 1])),
    shown: rows.map((row) => row.cells[at + 1].textContent),
  }));
  return {
    kind: figure.dataset.kind,
    unit: figure.dataset.unit ?? "",
    days: rows.map((row) => new Date(row.querySelector("time").dateTime)),
    names: rows.map((row) => row.cells[0].textContent),
    series,
    plot: figure.querySelector(".plot"),
    pointed: figure.querySelector(".pointed"),
  };
}

/** A number, or null where there is none. */
function valueOf(cell) {
  const written = cell.querySelector("data")?.value ?? cell.textContent;
  return Number.isNaN(Number(written)) ? null : Number(written);
}

function draw(chart) {
  chart.drawn?.destroy();
  chart.plot.hidden = chart.pointed.hidden = false;
  const isStacked = chart.kind === "stacked";
  // What is stacked highest is drawn first, so that each shows above the ones below it.
  const series = isStacked ? stacked(chart.series).reverse() : chart.series;
  const data = [chart.days.map((_, at) => at), ...series.map((one) => one.values)];
  chart.drawn = new uPlot(optionsOf(chart, series, isStacked), data, chart.plot);
  point(chart);
}

function stacked(series) {
  let below = series[0].values.map(() => 0);
  return series.map((one) => {
    below = below.map((value, at) => value + (one.values[at] ?? 0));
    return { ...one, values: below };
  });
}

function optionsOf(chart, series, isStacked) {
  const style = getComputedStyle(chart.plot);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const font = `13px ${style.fontFamily}`;
  const ink = { stroke: color("soft"), font };
  const line = { stroke: color("line"), width: 1 };
  return {
    width: chart.plot.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: !isStacked } },
    scales: {
      x: { time: false, range: [-0.6, chart.days.length - 0.4] },
      y: { range: (_, __, most) => [0, (most || 1) * 1.08] },
    },
    axes: [
      { ...ink, grid: { show: false }, ticks: { show: false }, size: 32, splits: () => labelled(chart),
        values: (_, splits) => splits.map((at) => DAY.format(chart.days[at])) },
      { ...ink, grid: line, ticks: { show: false }, size: 58,
        values: (_, splits) => splits.map((value) => measured(value, chart.unit)) },
    ],
    series: [{}, ...series.map((one) => seriesOf(color(`of-${one.name}`), isStacked, isAlone(one)))],
    hooks: { setCursor: [(drawn) => point(chart, drawn.cursor.idx)] },
  };
}

function seriesOf(color, isStacked, hasOnePoint) {
  const points = hasOnePoint ? { size: 8, fill: color, show: true } : { size: 6, fill: color };
  if (!isStacked) return { stroke: color, width: 2.5, spanGaps: true, points };
  const paths = uPlot.paths.bars({ size: [0.7, 40], radius: 0 });
  return { stroke: color, fill: color, width: 0, paths, points: { show: false } };
}

/** Whether a series has a single value: no line leads to it, however narrow the chart is. */
function isAlone(one) {
  return one.values.filter((value) => value !== null).length === 1;
}

/** Places of the days whose names fit below the chart. */
function labelled(chart) {
  const most = Math.max(1, Math.floor(chart.plot.clientWidth / LABEL_PX) - 1);
  const step = Math.ceil(chart.days.length / most);
  const last = chart.days.length - 1;
  return chart.days.map((_, at) => at).filter((at) => (last - at) % step === 0);
}

function measured(value, unit) {
  if (unit === "") return Number.isInteger(value) ? value.toLocaleString(LANGUAGE) : "";
  const written = value.toLocaleString(LANGUAGE, { maximumFractionDigits: unit === "€" ? 4 : 2 });
  return `${written}\u00a0${unit}`;
}

/** Say what the day under the pointer holds; the last one, where there is no pointer. */
function point(chart, pointedAt) {
  const at = pointedAt ?? chart.days.length - 1;
  const said = chart.series.map((one) => `${one.title} ${one.shown[at]}`);
  chart.pointed.textContent = `${chart.names[at]} — ${said.join(" · ")}`;
}

function fit(chart) {
  const width = chart.plot.clientWidth;
  if (width && width !== chart.drawn.width) chart.drawn.setSize({ width, height: HEIGHT_PX });
}
