import { html } from "../lib.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link } from "../router.js";
import { Panel } from "./shell.js";
import { Answered } from "./states.js";
import { When } from "./when.js";

// What became of the last times of a schedule.
export function History({ code }) {
  const fires = useAnswer(`api/job-definitions/${code}/fires`, { limit: 20 }, { seconds: 15 });
  return html`
    <${Panel} title=${t("fires")} flush><${Answered} answer=${fires} rows="2">${(data) => data.fires.length ? html`
      <ul class="lines">${data.fires.map((one) => html`<li key=${one.at + one.outcome} class="line">
        <span class="line-main"><${When} time=${one.at} />${one.detail && html`<span class="muted clip">${one.detail}</span>`}</span>
        <span class="line-end">${one.job_id ? html`<a href=${link(["jobs", one.job_id])}>${t(`fire_${one.outcome}`)}</a>` : t(`fire_${one.outcome}`)}</span></li>`)}</ul>`
      : html`<p class="muted pad">${t("no_fires_yet")}</p>`}<//><//>`;
}
