import { html } from "../lib.js";
import { may } from "../api.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link } from "../router.js";
import { DefinitionActions } from "../parts/definition_actions.js";
import { LastRuns } from "../parts/last_runs.js";
import { ScheduleWords } from "../parts/schedule_words.js";
import { Page } from "../parts/shell.js";
import { Answered, Empty } from "../parts/states.js";
import { When } from "../parts/when.js";

export function Definitions() {
  const answer = useAnswer("api/job-definitions", { limit: 200 }, { seconds: 10 });
  const make = may("jobs:create") && html`<a class="button primary" href=${link(["definitions", "new", "one"])}>${t("new_definition")}</a>`;
  return html`
    <${Page} title=${t("definitions_title")} actions=${make}>
      <${Answered} answer=${answer} rows="5">${(data) => data.job_definitions.length
        ? html`<div class="definition-list">${data.job_definitions.map((one) => html`<${Row} key=${one.code} one=${one} onChange=${answer.again} />`)}</div>`
        : html`<div class="panel"><${Empty} title=${t("no_definitions")} hint=${t("no_definitions_hint")}>${make}<//></div>`}<//>
    <//>`;
}

const Row = ({ one, onChange }) => html`
  <section class="panel definition" aria-label=${one.code}>
    <div class="definition-main">
      <h2><a href=${link(["definitions", one.code])}>${one.name || one.code}</a></h2>
      <p class="muted wrap">${one.name !== one.code && html`<code>${one.code}</code> · `}${one.type}</p>
      <p>${one.schedule && !one.schedule.enabled && html`<span class="label warn">${t("paused")}</span> `}<${ScheduleWords} schedule=${one.schedule} /></p>
      ${one.schedule?.next_run_at && html`<p class="muted">${t("next")} <${When} time=${one.schedule.next_run_at} /> · <${When} time=${one.schedule.next_run_at} relative /></p>`}
    </div>
    <${LastRuns} code=${one.code} seconds="15" />
    <div class="actions"><${DefinitionActions} one=${one} onChange=${onChange} /></div>
  </section>`;
