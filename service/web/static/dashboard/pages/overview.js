import { html, useMemo, useState } from "../lib.js";
import { count, duration, rate } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link } from "../router.js";
import { Chart } from "../parts/chart.js";
import { JobLine } from "../parts/job_line.js";
import { Page, Panel } from "../parts/shell.js";
import { Answered, Empty } from "../parts/states.js";
import { Badge, STATUSES } from "../parts/status.js";
import { Choice } from "../parts/tabs.js";

const WINDOWS = [[900, "window_15m"], [3600, "window_1h"], [86400, "window_1d"], [604800, "window_7d"]];

export function Overview() {
  const [window, setWindow] = useState(3600);
  const stats = useAnswer("api/stats", { window_seconds: window }, { seconds: 3 });
  const details = useAnswer("api/stats/details", { window_seconds: window, steps: 60 }, { seconds: 10 });
  const failures = useAnswer("api/jobs", { status: "failed", limit: 6, fields: LINE }, { seconds: 10 });
  return html`
    <${Page} title=${t("nav_overview")} actions=${html`
      <${Choice} label=${t("window")} value=${window} onChange=${setWindow} options=${WINDOWS.map(([s, name]) => [s, t(name)])} />`}>
      <${Answered} answer=${stats} rows="2">${(data) => html`<${Tiles} stats=${data} />`}<//>
      <${Answered} answer=${details} rows="4">${(data) => html`<${Charts} details=${data} window=${window} />`}<//>
      <div class="columns">
        <${Panel} title=${t("failing_types")} flush>
          <${Answered} answer=${details} rows="3">${(data) => html`<${Failing} details=${data} />`}<//>
        <//>
        <${Panel} title=${t("last_failures")} flush actions=${html`<a href=${link(["jobs"], { status: "failed" })}>${t("all")}</a>`}>
          <${Answered} answer=${failures} rows="4">${(data) => data.jobs.length
            ? html`<ul class="lines">${data.jobs.map((job) => html`<${JobLine} key=${job.id} job=${job} />`)}</ul>`
            : html`<${Empty} title=${t("no_failures")} hint=${t("no_failures_hint")} />`}<//>
        <//>
      </div>
    <//>`;
}
const LINE = "id,number,type,status,error,terminated_at,description,version";

const Tiles = ({ stats }) => html`
  <div class="tiles">
    ${STATUSES.map((status) => html`
      <a class="tile s-${status}" key=${status} href=${link(["jobs"], { status })}>
        <${Badge} status=${status} /><b>${count(stats.by_status[status])}</b></a>`)}
  </div>
  <dl class="facts">
    <div><dt>${t("throughput")}</dt><dd>${rate(stats.throughput_per_minute)} <small>${t("per_minute")}</small></dd></div>
    <div><dt>${t("wait")}</dt><dd><${Pair} of=${stats.wait_seconds} /></dd></div>
    <div><dt>${t("run")}</dt><dd><${Pair} of=${stats.run_seconds} /></dd></div>
    <div><dt>${t("oldest_waiting")}</dt><dd>${stats.oldest_waiting_seconds === null ? html`<span class="muted">${t("none_waits")}</span>` : duration(stats.oldest_waiting_seconds)}</dd></div>
    <div><dt>${t("live_workers")}</dt><dd><a href=${link(["workers"])} class=${stats.workers.length ? "" : "bad"}>${stats.workers.length
      ? t("workers_busy", { n: stats.workers.length, running: sum(stats.workers, "running"), places: sum(stats.workers, "concurrency") })
      : t("no_workers")}</a></dd></div>
  </dl>`;
const Pair = ({ of }) => ["p50", "p95"].map((name) => html`<span class="pair" key=${name}>${duration(of[name])} <small>${name}</small></span>`);
const sum = (rows, name) => rows.reduce((all, row) => all + row[name], 0);

function Charts({ details, window }) {
  const { times, column } = useMemo(() => ({
    times: details.points.map((point) => Date.parse(point.at) / 1000),
    column: (name) => details.points.map((point) => point[name]),
  }), [details]);
  const pace = (n) => Math.round((n / details.step_seconds) * 600) / 10;
  const series = useMemo(() => ({
    ended: [
      { label: t("ended"), colour: "--accent", values: column("ended").map((n) => pace(n) || null) },
      { label: t("status_failed"), colour: "--failed", values: column("failed").map((n) => pace(n) || null) },
    ],
    wait: [
      { label: "p95", colour: "--suspended", values: column("wait_p95"), fill: true },
      { label: "p50", colour: "--accent", values: column("wait_p50") },
    ],
    run: [
      { label: "p95", colour: "--suspended", values: column("run_p95"), fill: true },
      { label: "p50", colour: "--accent", values: column("run_p50") },
    ],
  }), [details]);
  return html`
    <div class="charts">
      <${Panel}><${Chart} title=${t("chart_throughput")} times=${times} series=${series.ended} kind="bars" key=${window} /><//>
      <${Panel}><${Chart} title=${t("chart_wait")} times=${times} series=${series.wait} unit="seconds" key=${window} /><//>
      <${Panel}><${Chart} title=${t("chart_run")} times=${times} series=${series.run} unit="seconds" key=${window} /><//>
    </div>`;
}

const Failing = ({ details }) => details.failing.length ? html`
  <ul class="lines">${details.failing.map((one) => html`
    <li key=${one.type}><a class="line" href=${link(["jobs"], { type: one.type, status: "failed" })}>
      <span class="line-main"><b>${one.type}</b><code>${one.error_code || ""}</code></span>
      <span class="line-end bad">${count(one.failed)}</span></a></li>`)}</ul>`
  : html`<${Empty} title=${t("no_failures")} hint=${t("no_failures_window")} />`;
