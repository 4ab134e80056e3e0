import { html, useState } from "../lib.js";
import { patch, post, remove } from "../api.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { go, link } from "../router.js";
import { confirm } from "../parts/dialog.js";
import { DefinitionActions, writes } from "../parts/definition_actions.js";
import { DefinitionForm } from "../parts/definition_form.js";
import { NextFires } from "../parts/fires.js";
import { History } from "../parts/fire_history.js";
import { Json } from "../parts/json.js";
import { LastRuns } from "../parts/last_runs.js";
import { ScheduleWords } from "../parts/schedule_words.js";
import { Page, Panel } from "../parts/shell.js";
import { Answered } from "../parts/states.js";
import { tell } from "../parts/toast.js";

export function Definition({ code }) {
  const crumbs = html`<a href=${link(["definitions"])}>${t("nav_definitions")}</a>`;
  const types = useAnswer("api/job-types", { limit: 1000 });
  const answer = useAnswer(code ? `api/job-definitions/${code}` : null, {}, { when: Boolean(code), seconds: 15 });
  const [edits, setEdits] = useState(false);
  const make = async (body) => {
    const made = await post("api/job-definitions", body);
    go(["definitions", made.code]);
  };
  if (!code) {
    return html`<${Page} title=${t("new_definition")} crumbs=${crumbs}>
      <${Answered} answer=${types}>${(data) => html`<${DefinitionForm} types=${data.job_types} onSave=${make} />`}<//><//>`;
  }
  const save = async (body) => {
    const { code: _, ...rest } = body;
    answer.set(await patch(`api/job-definitions/${code}`, rest));
    setEdits(false);
    tell(t("saved"));
  };
  if (!answer.data) return html`<${Page} title=${code} crumbs=${crumbs}><div class="panel"><${Answered} answer=${answer} /></div><//>`;
  return html`<${Answered} answer=${answer}>${(one) => edits ? html`
    <${Page} title=${one.name || one.code} crumbs=${crumbs}>
      <${Answered} answer=${types}>${(data) => html`<${DefinitionForm} types=${data.job_types} model=${one} onSave=${save} onCancel=${() => setEdits(false)} />`}<//><//>`
    : html`<${Shown} one=${one} crumbs=${crumbs} answer=${answer} onEdit=${() => setEdits(true)} />`}<//>`;
}

function Shown({ one, crumbs, answer, onEdit }) {
  const drop = () => confirm({
    title: t("delete_definition_title", { code: one.code }), text: t("delete_definition_text"), label: t("act_delete"), danger: true,
    act: async () => {
      await remove(`api/job-definitions/${one.code}`);
      tell(t("deleted"));
      go(["definitions"]);
    },
  });
  const facts = [["type", one.type], ["priority", t(`priority_${one.priority}`)], ["worker_tag", one.worker_tag],
    ["tries", one.max_attempts > 1 && String(one.max_attempts)], ["shared_with", one.shared_with.map((who) => (who === "*" ? t("everybody") : who)).join(", ")],
    ["by", one.created_by], ["attachment", one.attachment?.name]].filter(([, value]) => value);
  return html`
    <${Page} title=${one.name || one.code} sub=${one.description} crumbs=${crumbs} actions=${html`
      <${DefinitionActions} one=${one} onChange=${answer.again} />
      ${writes(one) && html`<button class="button" onClick=${onEdit}>${t("edit")}</button><button class="button danger" onClick=${drop}>${t("act_delete")}</button>`}`}>
      <div class="job-columns">
        <div>
          <${Panel} title=${t("last_runs")} actions=${html`<a href=${link(["jobs"], { definition: one.code })}>${t("all")}</a>`}><${LastRuns} code=${one.code} /><//>
          <${Panel} title=${t("args")}><${Json} value=${one.args} /><//>
          ${one.schedule && html`<${History} code=${one.code} />`}
        </div>
        <div>
          <${Panel} title=${t("schedule")}><p>${one.schedule && !one.schedule.enabled && html`<span class="label warn">${t("paused")}</span> `}<${ScheduleWords} schedule=${one.schedule} /></p>
            ${one.schedule && html`<p class="muted">${t(`misfire_${one.schedule.misfire}`)} ${t(`overlap_${one.schedule.overlap}`)}</p>
              <${NextFires} schedule=${one.schedule} />`}<//>
          <${Panel} title=${t("details")}><dl class="details">${facts.map(([name, value]) => html`<div key=${name}><dt>${t(name)}</dt><dd>${value}</dd></div>`)}</dl><//>
        </div>
      </div>
    <//>`;
}
