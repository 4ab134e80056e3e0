import { html } from "../lib.js";
import { count, duration } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link } from "../router.js";
import { Page, Panel } from "../parts/shell.js";
import { Answered, Empty } from "../parts/states.js";
import { Badge, Progress } from "../parts/status.js";
import { When } from "../parts/when.js";

export function Workers() {
  const stats = useAnswer("api/stats", {}, { seconds: 3 });
  const details = useAnswer("api/stats/details", { steps: 1 }, { seconds: 3 });
  return html`
    <${Page} title=${t("queues_and_workers")} sub=${t("workers_hint")}>
      <${Panel} title=${t("queues")} flush>
        <${Answered} answer=${details} rows="2">${(data) => data.queues.length ? html`<${Queues} queues=${data.queues} oldest=${stats.data?.oldest_waiting_seconds} />`
          : html`<${Empty} title=${t("no_queues")} hint=${t("no_jobs_hint")} />`}<//>
      <//>
      <${Panel} title=${t("workers")} flush>
        <${Answered} answer=${stats} rows="3">${(data) => data.workers.length ? html`<${Table} workers=${data.workers} />`
          : html`<${Empty} title=${t("no_workers")} hint=${t("no_workers_hint")} />`}<//>
      <//>
    <//>`;
}

const Queues = ({ queues, oldest }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${t("queues")}><table class="plain-table">
    <thead><tr><th>${t("queue")}</th><th class="end">${t("status_pending")}</th><th class="end">${t("status_running")}</th><th class="end">${t("status_suspended")}</th><th class="end">${t("oldest_waiting")}</th></tr></thead>
    <tbody>${queues.map((one) => html`
      <tr key=${one.queue}><td><a href=${link(["jobs"], { queue: one.queue })}><b>${one.queue}</b></a></td>
        <td class="end num"><a href=${link(["jobs"], { queue: one.queue, status: "pending" })}>${count(one.pending)}</a></td>
        <td class="end num"><a href=${link(["jobs"], { queue: one.queue, status: "running" })}>${count(one.running)}</a></td>
        <td class="end num">${count(one.suspended)}</td>
        <td class="end num">${queues.length === 1 && oldest ? duration(oldest) : "–"}</td></tr>`)}</tbody></table></div>`;

const Table = ({ workers }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${t("workers")}><table class="plain-table">
    <thead><tr><th>${t("worker")}</th><th>${t("state")}</th><th>${t("load")}</th><th>${t("tags")}</th><th>${t("version")}</th><th>${t("started")}</th><th>${t("last_beat")}</th></tr></thead>
    <tbody>${workers.map((one) => html`
      <tr key=${one.id}><td class="mono">${one.id}</td>
        <td><${Badge} status=${one.draining ? "suspended" : "finished"} text=${t(one.draining ? "draining" : "takes_jobs")} /></td>
        <td class="load"><span class="num">${one.running} / ${one.concurrency}</span>
          <${Progress} percent=${Math.round((one.running / one.concurrency) * 100)} status="running" label=${t("load")} /></td>
        <td>${one.tags.map((tag) => html`<span class="label" key=${tag} title=${tagText(tag)}>${tag}</span>`)}</td>
        <td class="num">${one.version}</td><td><${When} time=${one.started_at} relative /></td><td><${When} time=${one.beat_at} relative /></td></tr>`)}</tbody></table></div>`;

const tagText = (tag) => (tag === "*" ? t("tag_any") : tag[0] === "!" ? t("tag_only", { tag: tag.slice(1) }) : t("tag_and", { tag }));
