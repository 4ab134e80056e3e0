import { html } from "../lib.js";
import { t } from "../i18n.js";

export const STATUSES = ["pending", "suspended", "running", "finished", "failed", "cancelled"];
export const TERMINAL = new Set(["finished", "failed", "cancelled"]);

export const Badge = ({ status, text }) => html`
  <span class="badge s-${status}"><span class="dot"></span>${text || t(`status_${status}`)}</span>`;

// What the badge of a job says: its own word while it runs, and that it was asked to stop.
export const JobBadge = ({ job }) => {
  const stopping = job.cancel_requested && !TERMINAL.has(job.status);
  return html`<${Badge} status=${job.status} text=${stopping ? t("status_stopping") : undefined} />`;
};

export const Progress = ({ percent, status, label }) => html`
  <div class="progress s-${status}" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}
    aria-label=${label || t("progress")}><div class="fill" style=${{ width: `${percent}%` }}></div></div>`;
