import { html, useState } from "../lib.js";
import { t } from "../i18n.js";
import { inWords } from "./cron.js";
import { Field } from "./field.js";
import { NextFires } from "./fires.js";

const EXAMPLES = ["0 * * * *", "30 2 * * *", "0 8 * * 1-5", "0 6 1 * *"];
const ZONES = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];

export function ScheduleForm({ schedule, onChange, errors }) {
  const [wrong, setWrong] = useState([]);
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (!schedule) {
    return html`<div class="field"><button type="button" class="button" onClick=${() => onChange({ cron: "30 2 * * *", timezone: here })}>${t("add_schedule")}</button></div>`;
  }
  const set = (name) => (value) => {
    const next = { ...schedule, [name]: value };
    if (value === undefined) delete next[name];
    onChange(next);
  };
  const said = [...errors.filter((one) => one.pointer.startsWith("#/schedule/")), ...wrong.map((one) => ({ ...one, pointer: one.pointer.replace("#/", "#/schedule/") }))];
  const field = (name, schema) => html`<${Field} name=${name} schema=${{ title: t(name), ...schema }} root=${{}} value=${schedule[name]} onChange=${set(name)}
    errors=${said} at=${`#/schedule/${name}`} required=${name === "cron"} />`;
  return html`
    <fieldset class="schedule"><legend>${t("schedule")}</legend>
      ${field("cron", { type: "string" })}
      <p class="examples">${EXAMPLES.map((one) => html`<button type="button" class="chip" key=${one} title=${one} onClick=${() => set("cron")(one)}>${inWords(one)}</button>`)}</p>
      <p class="said" aria-live="polite">${inWords(schedule.cron || "") || ""}</p>
      <div class="field"><label for="f-zone"><span class="field-name">${t("timezone")}</span></label>
        <input id="f-zone" list="zones" value=${schedule.timezone} spellcheck=${false} onInput=${(event) => set("timezone")(event.target.value)} />
        <datalist id="zones">${["UTC", ...ZONES].map((zone) => html`<option key=${zone} value=${zone}></option>`)}</datalist>
        ${said.filter((one) => one.pointer === "#/schedule/timezone").map((one) => html`<span class="fault" role="alert">${one.detail}</span>`)}</div>
      <details class="options"><summary>${t("when_late")}</summary>
        ${field("misfire", { enum: ["skip", "once", "all"], default: "once", description: t("misfire_hint") })}
        ${field("overlap", { enum: ["allow", "skip", "wait"], default: "allow", description: t("overlap_hint") })}
        ${field("jitter_seconds", { type: "integer" })}</details>
      ${schedule.cron ? html`<${NextFires} schedule=${schedule} onFault=${setWrong} />` : html`<p class="muted">${t("no_fires")}</p>`}
      <button type="button" class="plain link" onClick=${() => onChange(null)}>${t("no_schedule_wanted")}</button>
    </fieldset>`;
}
