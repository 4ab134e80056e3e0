import { html, useState } from "../lib.js";
import { t } from "../i18n.js";
import { Field } from "./field.js";

const OPTIONS = {
  description: { type: "string" },
  priority: { enum: ["low", "default", "medium", "high", "critical"] },
  run_at: { type: "string", format: "date-time" },
  worker_tag: { type: "string" },
  max_attempts: { type: "integer" },
  timeout_seconds: { type: "integer" },
};

// What a job may be given besides its args; `only` are those of it that fit.
export function JobOptions({ value, onChange, errors, only = Object.keys(OPTIONS), labels = true }) {
  const set = (name) => (next) => {
    const whole = { ...value, [name]: next };
    if (next === undefined) delete whole[name];
    onChange(whole);
  };
  const [text, setText] = useState(() => Object.entries(value.labels || {}).map(([name, one]) => `${name}=${one}`).join("\n"));
  return html`
    ${only.map((name) => html`<${Field} key=${name} name=${name} schema=${{ ...OPTIONS[name], title: t(name) }} root=${{}} value=${value[name]}
      errors=${errors} at=${`#/${name}`} onChange=${set(name)} />`)}
    ${labels && html`<div class="field"><label for="f-labels"><span class="field-name">${t("labels")}</span></label>
      <textarea id="f-labels" rows="2" placeholder="team=payments" spellcheck=${false} value=${text}
        onInput=${(event) => (setText(event.target.value), set("labels")(labelsOf(event.target.value)))}></textarea>
      <span class="hint">${t("labels_hint")}</span></div>`}`;
}

function labelsOf(text) {
  const pairs = text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [name, ...rest] = line.split("=");
    return [name.trim(), rest.join("=").trim()];
  });
  return pairs.length ? Object.fromEntries(pairs) : undefined;
}
