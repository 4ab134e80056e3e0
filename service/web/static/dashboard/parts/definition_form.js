import { html, useState } from "../lib.js";
import { t } from "../i18n.js";
import { ArgsForm } from "./args_form.js";
import { Field } from "./field.js";
import { asked } from "./fires.js";
import { JobOptions } from "./job_options.js";
import { ScheduleForm } from "./schedule_form.js";
import { Panel } from "./shell.js";
import { why } from "./states.js";
import { TypePicker } from "./type_picker.js";

const KEPT = ["priority", "worker_tag", "max_attempts", "timeout_seconds"];

// A definition to be made, or `model` to be changed.
export function DefinitionForm({ types, model, onSave, onCancel }) {
  const [code, setCode] = useState(model?.code);
  const [name, setName] = useState(model?.name);
  const [picked, setPicked] = useState(model?.type);
  const [args, setArgs] = useState(model?.args || {});
  const [options, setOptions] = useState(model ? given(model) : {});
  const [schedule, setSchedule] = useState(model?.schedule ? asked(model.schedule) : null);
  const [shared, setShared] = useState(model?.shared_with?.join(", "));
  const [fault, setFault] = useState(null);
  const [busy, setBusy] = useState(false);
  const type = types.find((one) => one.code === picked);
  if (!type) return html`<${TypePicker} types=${types} onPick=${setPicked} />`;
  const errors = fault?.errors || [];
  const save = async (event) => {
    event.preventDefault();
    setBusy(true);
    setFault(null);
    const shares = (shared || "").split(",").map((one) => one.trim()).filter(Boolean);
    try {
      await onSave({ code, type: picked, name: name || null, args: whole(args, model), labels: {}, ...options, shared_with: shares, schedule });
    } catch (error) {
      setFault(error);
      setBusy(false);
    }
  };
  const text = (title, at, value, onChange, more = {}) => html`<${Field} name=${at} schema=${{ type: "string", title, ...more }} root=${{}}
    value=${value} onChange=${onChange} errors=${errors} at=${`#/${at}`} required=${more.required} />`;
  const odd = errors.filter((one) => !/^#\/(args|code|name|schedule|shared_with|description|labels|priority|worker_tag|max_attempts|timeout)/.test(one.pointer));
  return html`
    <form class="job-form" onSubmit=${save}>
      <${Panel} title=${type.name} actions=${!model && html`<button type="button" class="plain link" onClick=${() => setPicked(null)}>${t("other_type")}</button>`}>
        ${!model && text(t("code"), "code", code, setCode, { required: true, description: t("code_hint"), maxLength: 100 })}
        ${text(t("name"), "name", name, setName, { maxLength: 200 })}
        <${ArgsForm} type=${type} args=${args} onChange=${setArgs} errors=${errors} />
        <${ScheduleForm} schedule=${schedule} onChange=${setSchedule} errors=${errors} />
        <details class="options"><summary>${t("more_options")}</summary>
          <${JobOptions} value=${options} onChange=${setOptions} errors=${errors} only=${["description", ...KEPT]} />
          ${text(t("shared_with"), "shared_with", shared, setShared, { description: t("shared_hint") })}</details>
        ${fault && (odd.length || !errors.length) && html`<p class="fault" role="alert">${odd.length ? odd.map((one) => `${one.pointer} ${one.detail}`).join("; ") : why(fault)}</p>`}
        <footer>${onCancel && html`<button type="button" class="button" onClick=${onCancel}>${t("never_mind")}</button>`}
          <button class="button primary" disabled=${busy}>${t("save")}</button></footer>
      <//>
    </form>`;
}

function given(model) {
  const names = ["description", ...KEPT];
  const taken = Object.fromEntries(names.filter((name) => model[name] !== null).map((name) => [name, model[name]]));
  return Object.keys(model.labels).length ? { ...taken, labels: model.labels } : taken;
}

// A merge patch leaves what it does not name: what was there and is no more is named with null.
const whole = (args, model) => ({ ...Object.fromEntries(Object.keys(model?.args || {}).map((name) => [name, null])), ...args });
