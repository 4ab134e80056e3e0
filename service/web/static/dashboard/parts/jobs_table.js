import { html, useEffect, useRef } from "../lib.js";
import { between, duration } from "../format.js";
import { t } from "../i18n.js";
import { now } from "../live.js";
import { go, link } from "../router.js";
import { JobBadge, Progress } from "./status.js";
import { When } from "./when.js";

export function JobsTable({ jobs, at, selected, all, onToggle, onToggleAll, sort, onSort, stale }) {
  return html`
    <div class="panel flush ${stale ? "stale" : ""}">
      <table class="jobs" aria-label=${t("nav_jobs")}>
        <thead><tr>
          <th class="c-check"><input type="checkbox" aria-label=${t("select_shown")} checked=${selected.size === jobs.length}
            onChange=${onToggleAll} /></th>
          <${Head} name="status" text=${t("status")} sort=${sort} onSort=${onSort} />
          <${Head} name="type" text=${t("job")} sort=${sort} onSort=${onSort} />
          <th class="c-what">${t("now")}</th>
          <th class="c-who">${t("by")}</th>
          <${Head} name="created_at" text=${t("created")} sort=${sort} onSort=${onSort} down />
          <th class="c-took">${t("took")}</th>
        </tr></thead>
        <tbody>${jobs.map((job, n) => html`
          <${Row} key=${job.id} job=${job} current=${n === at} checked=${all || selected.has(job.id)} onToggle=${onToggle} />`)}</tbody>
      </table>
    </div>`;
}

function Head({ name, text, sort, onSort, down = false }) {
  const column = sort.replace("-", ""), falling = sort[0] === "-";
  const next = column !== name ? (down ? `-${name}` : name) : falling ? name : `-${name}`;
  return html`<th class="c-${name}" aria-sort=${column !== name ? undefined : falling ? "descending" : "ascending"}>
    <button class="plain" onClick=${() => onSort(next)}>${text}${column === name && html`<span aria-hidden="true">${falling ? " ↓" : " ↑"}</span>`}</button></th>`;
}

function Row({ job, current, checked, onToggle }) {
  const row = useRef();
  useEffect(() => {
    if (current) row.current.scrollIntoView({ block: "nearest" });
  }, [current]);
  const open = (event) => {
    if (!event.target.closest("a, input, label") && !getSelection().toString()) go(["jobs", job.id]);
  };
  return html`
    <tr ref=${row} class=${current ? "current" : ""} aria-selected=${checked} onClick=${open}>
      <td class="c-check"><input type="checkbox" checked=${checked} aria-label=${t("select_job", { number: job.number })}
        onChange=${() => onToggle(job.id)} /></td>
      <td class="c-status"><${JobBadge} job=${job} /></td>
      <td class="c-type"><a href=${link(["jobs", job.id])}><b>${job.type}</b> <span class="muted num">#${job.number}</span></a>
        ${job.description && html`<div class="clip muted">${job.description}</div>`}
        <div>${Object.entries(job.labels).slice(0, 3).map(([name, value]) => html`<span class="label" key=${name}>${name}=${value}</span>`)}</div></td>
      <td class="c-what"><${What} job=${job} /></td>
      <td class="c-who"><span class="clip">${job.created_by}</span></td>
      <td class="c-created_at"><${When} time=${job.created_at} relative /></td>
      <td class="c-took num">${took(job)}</td>
    </tr>`;
}

function What({ job }) {
  if (job.status === "running") {
    return html`<div class="what-running"><${Progress} percent=${job.percent_completed} status="running" label=${t("progress_of", { number: job.number })} />
      <span class="num">${job.percent_completed}%</span></div><div class="clip muted">${job.running_output || ""}</div>`;
  }
  if (job.error) return html`<div class="clip"><code>${job.error.code}</code> <span class="muted">${job.error.message}</span></div>`;
  if (job.status === "pending" && job.run_at && Date.parse(job.run_at) > now.value) {
    return html`<span class="muted">${t("starts")} <${When} time=${job.run_at} relative /></span>`;
  }
  if (job.status === "pending" && job.attempt > 1) return html`<span class="muted">${t("retry_n", { n: job.attempt, of: job.max_attempts })}</span>`;
  return html`<span class="clip muted">${job.status === "finished" ? job.running_output || "" : ""}</span>`;
}

function took(job) {
  if (!job.started_at) return "–";
  return duration(between(job.started_at, job.terminated_at || new Date(now.value).toISOString()));
}
