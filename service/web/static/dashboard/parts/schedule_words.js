import { html } from "../lib.js";
import { t } from "../i18n.js";
import { inWords } from "./cron.js";

// A schedule as one would say it.
export function ScheduleWords({ schedule }) {
  if (!schedule) return html`<span class="muted">${t("no_schedule")}</span>`;
  const words = inWords(schedule.cron);
  return html`<span>${words || html`<code>${schedule.cron}</code>`} <span class="muted">${schedule.timezone}</span></span>`;
}
