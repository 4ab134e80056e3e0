import { html, UPlot, signal, useEffect, useRef, useState } from "../lib.js";
import { count, duration } from "../format.js";
import { language, t } from "../i18n.js";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const theme = signal(dark.matches);
dark.addEventListener("change", (event) => (theme.value = event.matches));

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FEW = 24; // values, below which each is marked
const FORMATS = { count, seconds: duration };
// Steps of an axis of seconds that are read as such: halves of a minute, not thousands of seconds.
const STEPS = [...[1, 2, 5].flatMap((one) => [one / 1000, one / 100, one / 10, one]).sort((a, b) => a - b),
  10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000];

const axis = (format, unit) => ({
  stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false },
  font: "11px system-ui, sans-serif", size: format ? (_, values) => 16 + 7 * Math.max(5, ...(values || []).map((one) => one.length)) : 24, gap: 4,
  ...(unit === "seconds" && { incrs: STEPS }),
  ...(format && { values: (_, values) => values.map((value) => (value === null ? "" : format(value))) }),
});

function options(box, series, kind, unit, onCursor) {
  return {
    width: box.clientWidth, height: 132, padding: [8, 20, 0, 0], legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { y: { range: (_, __, most) => [0, most ? most * 1.08 : 1] } },
    axes: [
      { ...axis(), space: 64, values: (_, times) => times.map((time) => clock(time, times)) },
      { ...axis(FORMATS[unit], unit), space: 32 },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label, stroke: colour(one.colour), width: 1.5, points: { show: kind === "line" && one.values.filter((value) => value !== null).length < FEW, size: 6, fill: colour(one.colour) }, spanGaps: true,
      ...(kind === "bars"
        ? { paths: UPlot.paths.bars({ size: [0.8, 24], radius: 0.15 }), fill: colour(one.colour) }
        : { fill: one.fill ? `${colour(one.colour)}22` : undefined }),
    }))],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] },
  };
}

function clock(time, times) {
  const long = times.at(-1) - times[0] > 2 * 86_400;
  const how = long ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(time * 1000).toLocaleString(language.value, how);
}

// A chart of series over time. `unit` is count or seconds; above it stand the values under the pointer, or the last ones.
export function Chart({ title, times, series, unit = "count", kind = "line" }) {
  const box = useRef(), plot = useRef();
  const [at, setAt] = useState(null);
  const format = FORMATS[unit];
  const data = [times, ...series.map((one) => one.values)];
  useEffect(() => {
    plot.current = new UPlot(options(box.current, series, kind, unit, setAt), data, box.current);
    const watcher = new ResizeObserver(() => plot.current.setSize({ width: box.current.clientWidth, height: 132 }));
    watcher.observe(box.current);
    return () => (watcher.disconnect(), plot.current.destroy());
  }, [theme.value, language.value, series.length]);
  useEffect(() => plot.current?.setData(data), [times, ...series.map((one) => one.values)]);
  const value = (one) => one.values[at ?? lastKnown(one.values)];
  return html`
    <figure class="chart" aria-label=${title}>
      <figcaption><span class="chart-title">${title}</span>
        <span class="legend">${series.map((one) => html`
          <span key=${one.label}><i style=${{ background: `var(${one.colour})` }}></i>${one.label}
            <b>${value(one) === null || value(one) === undefined ? "–" : format(value(one))}</b></span>`)}
          ${at !== null && html`<span class="muted">${t("at_time", { time: clock(times[at], [0, 0]) })}</span>`}</span>
      </figcaption>
      <div ref=${box} class="plot"></div>
    </figure>`;
}

function lastKnown(values) {
  for (let index = values.length - 1; index >= 0; index--) if (values[index] !== null) return index;
  return values.length - 1;
}
