import { html, useState } from "../lib.js";
import { may, post } from "../api.js";
import { count, duration } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link } from "../router.js";
import { Page, Panel } from "../parts/shell.js";
import { Answered, Empty } from "../parts/states.js";
import { Badge, Progress } from "../parts/status.js";
import { complain, tell } from "../parts/toast.js";
import { When } from "../parts/when.js";

export function Workers() {
  const stats = useAnswer("api/stats", {}, { seconds: 3 });
  const workers = useAnswer("api/workers", {}, { seconds: 3 });
  const details = useAnswer("api/stats/details", { steps: 1 }, { seconds: 3 });
  return html`
    <${Page} title=${t("queues_and_workers")} sub=${t("workers_hint")}>
      <${Panel} title=${t("queues")} flush>
        <${Answered} answer=${details} rows="2">${(data) => data.queues.length ? html`<${Queues} queues=${data.queues} oldest=${stats.data?.oldest_waiting_seconds} />`
          : html`<${Empty} title=${t("no_queues")} hint=${t("no_jobs_hint")} />`}<//>
      <//>
      <${Panel} title=${t("workers")} flush>
        <${Answered} answer=${workers} rows="3">${(data) => data.workers.length ? html`<${Table} workers=${data.workers} onChange=${workers.again} />`
          : html`<${Empty} title=${t("no_workers")} hint=${t("no_workers_hint")} />`}<//>
      <//>
    <//>`;
}

const Queues = ({ queues, oldest }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${t("queues")}><table class="plain-table stack">
    <thead><tr><th>${t("queue")}</th><th class="end">${t("status_pending")}</th><th class="end">${t("status_running")}</th><th class="end">${t("status_suspended")}</th><th class="end">${t("oldest_waiting")}</th></tr></thead>
    <tbody>${queues.map((one) => html`
      <tr key=${one.queue}><td><a href=${link(["jobs"], { queue: one.queue })}><b>${one.queue}</b></a></td>
        <td data-label=${t("status_pending")} class="end num"><a href=${link(["jobs"], { queue: one.queue, status: "pending" })}>${count(one.pending)}</a></td>
        <td data-label=${t("status_running")} class="end num"><a href=${link(["jobs"], { queue: one.queue, status: "running" })}>${count(one.running)}</a></td>
        <td data-label=${t("status_suspended")} class="end num"><a href=${link(["jobs"], { queue: one.queue, status: "suspended" })}>${count(one.suspended)}</a></td>
        <td data-label=${t("oldest_waiting")} class="end num">${queues.length === 1 && oldest ? duration(oldest) : "–"}</td></tr>`)}</tbody></table></div>`;

const Table = ({ workers, onChange }) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${t("workers")}><table class="plain-table stack">
    <thead><tr><th>${t("worker")}</th><th>${t("state")}</th><th>${t("load")}</th><th>${t("tags")}</th><th>${t("version")}</th><th>${t("started")}</th><th>${t("last_beat")}</th>${may("tenants") && html`<th><span class="hidden">${t("actions")}</span></th>`}</tr></thead>
    <tbody>${workers.map((one) => html`
      <tr key=${one.id}><td class="mono">${one.id}</td>
        <td data-label=${t("state")}><${State} one=${one} /></td>
        <td data-label=${t("load")} class="load"><span class="num">${one.running} / ${one.concurrency}</span>
          <${Progress} percent=${Math.round((one.running / one.concurrency) * 100)} status="running" label=${t("load")} /></td>
        <td data-label=${t("tags")}>${one.tags.map((tag) => html`<span class="label" key=${tag} title=${tagText(tag)}>${tag === "*" ? tagText(tag) : tag}</span>`)}</td>
        <td data-label=${t("version")} class="num">${one.version}</td><td data-label=${t("started")}><${When} time=${one.started_at} relative /></td><td data-label=${t("last_beat")}><${When} time=${one.beat_at} relative /></td>
        ${may("tenants") && html`<td class="end"><${Order} one=${one} onChange=${onChange} /></td>`}</tr>`)}</tbody></table></div>`;

// It says itself that it drains: until it has heard the order it may take another job.
function State({ one }) {
  const word = one.draining ? "draining" : one.drain_requested_at ? "drain_ordered" : "takes_jobs";
  return html`<${Badge} status=${word === "takes_jobs" ? "finished" : "suspended"} text=${t(word)} />`;
}

const HEARD_MS = 1_000;

function Order({ one, onChange }) {
  const [busy, setBusy] = useState(false);
  const order = one.drain_requested_at ? "resume" : "drain";
  const give = async () => {
    setBusy(true);
    try {
      await post(`api/workers/${encodeURIComponent(one.id)}/${order}`);
      tell(t(order === "drain" ? "done_drain" : "done_resume_worker"));
      onChange();
      setTimeout(onChange, HEARD_MS);
    } catch (error) {
      complain(error);
    }
    setBusy(false);
  };
  if (one.draining && !one.drain_requested_at) return null; // it ends, or has not heard yet that it may go on
  return html`<button class="button" disabled=${busy} title=${t(`order_hint_${order}`)} onClick=${give}>${t(order === "drain" ? "act_drain" : "act_resume")}</button>`;
}

const tagText = (tag) => (tag === "*" ? t("tag_any") : tag[0] === "!" ? t("tag_only", { tag: tag.slice(1) }) : t("tag_and", { tag }));
