import { html, useState } from "../lib.js";
import { stringify } from "../exact.js";
import { t } from "../i18n.js";
import { Fields, JsonInput } from "./field.js";
import { Choice } from "./tabs.js";

// The args of a job type: as a form of its JSON Schema, or as JSON for who likes that better.
export function ArgsForm({ type, args, onChange, errors }) {
  const hasFields = Object.keys(type.params.properties || {}).length > 0;
  const [form, setForm] = useState(hasFields ? "fields" : "json");
  const root = errors.filter((error) => error.pointer === "#/args");
  return html`
    ${hasFields && html`<div class="form-kind"><${Choice} label=${t("form")} value=${form} onChange=${setForm}
      options=${[["fields", t("as_form")], ["json", "JSON"]]} /></div>`}
    ${root.map((error) => html`<p class="fault" role="alert">${error.detail}</p>`)}
    ${form === "fields" ? html`<${Fields} schema=${type.params} root=${type.params} value=${args} onChange=${onChange} errors=${errors} at="#/args" />`
      : html`<div class="field"><label for="f-args"><span class="field-name">${t("args")}</span></label>
          <${JsonInput} key=${type.code} value=${args} rows="8" onChange=${(value) => onChange(value || {})} common=${{ id: "f-args" }} />
          ${errors.filter((error) => error.pointer.startsWith("#/args/")).map((error) => html`<span class="fault" role="alert">${error.pointer}: ${error.detail}</span>`)}
          <span class="hint">${t("for_example")} <code>${stringify(type.example)}</code></span></div>`}`;
}
