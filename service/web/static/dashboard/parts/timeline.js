import { html } from "../lib.js";
import { between, duration } from "../format.js";
import { t } from "../i18n.js";
import { now } from "../live.js";
import { Panel } from "./shell.js";
import { TERMINAL } from "./status.js";
import { When } from "./when.js";

// The life of a job, from top to bottom, with how long each part of it took.
export function Timeline({ job, attempts }) {
  const steps = [{ key: "created", title: t("created"), at: job.created_at, by: job.created_by, kind: "done" }];
  if (job.run_at) steps.push({ key: "run_at", title: t("due"), at: job.run_at, kind: "done" });
  let run = 1;
  for (const one of attempts || []) {
    if (one.run !== run) steps.push({ key: `run-${one.run}`, title: t("run_n", { n: one.run }), kind: "mark" });
    run = one.run;
    const end = one.ended_at || (job.status === "running" ? new Date(now.value).toISOString() : null);
    steps.push({
      key: `claim-${one.claim}`, at: one.started_at, kind: KINDS[one.outcome] || "running",
      title: t("attempt_n", { n: one.attempt }), by: one.worker,
      text: one.outcome ? t(`outcome_${one.outcome}`) : t("status_running"),
      error: one.error && job.error?.message !== one.error.message ? one.error : null,
      took: end && duration(between(one.started_at, end)),
      waited: one.claim === 1 ? duration(between(job.run_at || job.created_at, one.started_at)) : null,
    });
  }
  if (job.run > run) steps.push({ key: `run-${job.run}`, title: t("run_n", { n: job.run }), kind: "mark" });
  if (!TERMINAL.has(job.status) && job.status !== "running") {
    steps.push({ key: "waits", title: t(`status_${job.status}`), kind: "running", text: t("for_time", { time: duration(between(job.created_at, new Date(now.value).toISOString())) }) });
  }
  if (job.terminated_at) {
    steps.push({ key: "end", title: t(`status_${job.status}`), at: job.terminated_at, kind: KINDS[job.status], text: t("in_all", { time: duration(between(job.created_at, job.terminated_at)) }) });
  }
  return html`
    <${Panel} title=${t("timeline")}>
      <ol class="timeline">${steps.map((one) => html`
        <li key=${one.key} class="t-${one.kind}">
          <div class="t-line"><b>${one.title}</b>${one.at && html`<${When} time=${one.at} />`}</div>
          <div class="muted t-more">
            ${[one.text, one.took, one.waited && t("waited", { time: one.waited })].filter(Boolean).join(" · ")}
            ${one.by && html`<span class="clip">${one.by}</span>`}</div>
          ${one.error && html`<div class="t-error"><code>${one.error.code}</code> ${one.error.message}</div>`}
        </li>`)}</ol>
    <//>`;
}

const KINDS = {
  finished: "good", failed: "bad", timed_out: "bad", lost: "bad", cancelled: "off", handed_back: "off",
};
