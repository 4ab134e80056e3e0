import { html } from "../lib.js";
import { duration } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link } from "../router.js";
import { Icon } from "./icon.js";
import { When } from "./when.js";

// Of these the rest says all that the API's own words, which are English, would.
const SAID = new Set(["scheduled", "suspended", "waiting_turn", "retry_backoff"]);

// Why a job waits, where it stands, and when its turn may come.
export function Explain({ job }) {
  const { data } = useAnswer(`api/jobs/${job.id}/explain`, {}, { seconds: 3 });
  if (!data || data.reason === "running" || data.reason === "terminal") return null;
  const blocked = data.reason.startsWith("no_worker");
  return html`
    <section class="explain ${blocked ? "blocked" : ""}" aria-label=${t("why_waits")}>
      <${Icon} name=${blocked ? "alert" : "clock"} />
      <div><p><b>${t(`reason_${data.reason}`)}</b> ${!SAID.has(data.reason) && html`<span class="muted">${data.detail}</span>`}</p>
        <p class="muted">${[
          data.position && t("position", { n: data.position, ahead: data.ahead }),
          data.reason === "retry_backoff" && t("retry_n", { n: job.attempt, of: job.max_attempts }),
          data.estimated_start_at && data.reason !== "scheduled" && t("starts_in", { time: duration((Date.parse(data.estimated_start_at) - Date.now()) / 1000) }),
        ].filter(Boolean).join(" · ")}
        ${job.run_at && data.reason === "scheduled" && html`<${When} time=${job.run_at} /> · <${When} time=${job.run_at} relative />`}</p></div>
      ${blocked && html`<a class="button" href=${link(["workers"])}>${t("nav_workers")}</a>`}
    </section>`;
}
