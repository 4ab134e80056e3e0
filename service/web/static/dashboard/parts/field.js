// One field of a form, from the JSON Schema of what it holds. An empty field is left out of what is sent.
import { html, useState } from "../lib.js";
import { Exact, parse, stringify } from "../exact.js";
import { t } from "../i18n.js";

const LONG = 300; // characters from which a text gets more than a line

// The schema itself, without references and without "or null".
export function plain(schema, root) {
  let one = schema;
  while (one?.$ref) one = one.$ref.replace(/^#\//, "").split("/").reduce((at, name) => at?.[decodeURIComponent(name)], root);
  for (const word of ["anyOf", "oneOf"]) {
    const real = one?.[word]?.filter((choice) => choice.type !== "null");
    if (real?.length === 1) one = { ...one, ...plain(real[0], root), [word]: undefined };
  }
  const types = [one?.type].flat().filter((type) => type && type !== "null");
  return { ...one, type: types.length === 1 ? types[0] : undefined };
}

export function Field({ name, schema, root, value, onChange, errors, at, required }) {
  const one = plain(schema, root);
  const id = `f-${at.replace(/[^\w-]/g, "_")}`;
  const fault = errors.filter((error) => error.pointer === at || (error.pointer.startsWith(`${at}/`) && !isGroup(one)));
  if (isGroup(one)) {
    return html`<fieldset><legend>${one.title || name}</legend>${one.description && html`<p class="muted">${one.description}</p>`}
      <${Fields} schema=${one} root=${root} value=${value || {}} errors=${errors} at=${at} onChange=${(inner) => onChange(Object.keys(inner).length ? inner : undefined)} />
      </fieldset>`;
  }
  const described = [one.description && `${id}-hint`, fault.length && `${id}-fault`].filter(Boolean).join(" ") || undefined;
  const common = { id, "aria-describedby": described, "aria-invalid": fault.length ? "true" : undefined, required };
  const label = html`<span class="field-name">${one.title || name}${required && html`<span class="must" title=${t("required")}>*</span>`}</span>`;
  const hint = html`
    ${one.description && html`<span id="${id}-hint" class="hint">${one.description}</span>`}
    ${fault.length > 0 && html`<span id="${id}-fault" class="fault" role="alert">${fault.map((error) => error.detail).join("; ")}</span>`}`;
  if (one.type === "boolean" && !required) {
    return html`<div class="field check"><label for=${id}><input type="checkbox" ...${{ ...common, required: false }}
      checked=${value ?? one.default ?? false} onChange=${(event) => onChange(event.target.checked)} />${label}</label>${hint}</div>`;
  }
  return html`<div class="field"><label for=${id}>${label}</label><${Input} schema=${one} value=${value} onChange=${onChange} common=${common} />${hint}</div>`;
}

const isGroup = (schema) => schema.type === "object" && Object.keys(schema.properties || {}).length > 0;

export const Fields = ({ schema, root, value, onChange, errors, at }) =>
  Object.entries(schema.properties || {}).map(([name, inner]) => html`
    <${Field} key=${name} name=${name} schema=${inner} root=${root} value=${value[name]} errors=${errors}
      at=${`${at}/${encodeURIComponent(name.replace(/~/g, "~0").replace(/\//g, "~1"))}`} required=${(schema.required || []).includes(name)}
      onChange=${(next) => {
        const whole = { ...value, [name]: next };
        if (next === undefined) delete whole[name];
        onChange(whole);
      }} />`);

function Input({ schema, value, onChange, common }) {
  const take = (text) => onChange(text === "" ? undefined : text);
  if (schema.enum) {
    return html`<select ...${common} onChange=${(event) => take(event.target.value)}>
      <option value="">${schema.default !== undefined ? t("default_is", { value: String(schema.default) }) : "–"}</option>
      ${schema.enum.filter((one) => one !== null).map((one) => html`<option key=${one} value=${one} selected=${one === value}>${one}</option>`)}</select>`;
  }
  if (schema.type === "integer" || schema.type === "number") {
    return html`<input ...${common} inputmode=${schema.type === "integer" ? "numeric" : "decimal"} pattern=${schema.type === "integer" ? "-?[0-9]+" : undefined}
      placeholder=${hintOf(schema)} value=${value === undefined ? "" : String(value)} onInput=${(event) => onChange(number(event.target.value))} />`;
  }
  if (schema.type === "string" && schema.format === "date-time") {
    return html`<input ...${common} type="datetime-local" step="1" value=${local(value)}
      onInput=${(event) => onChange(event.target.value ? new Date(event.target.value).toISOString() : undefined)} />`;
  }
  if (schema.type === "string") {
    const text = { ...common, value: value ?? "", maxlength: schema.maxLength, onInput: (event) => take(event.target.value) };
    if ((schema.maxLength || 0) > LONG && !schema.format) return html`<textarea ...${text} rows="4" spellcheck=${false}></textarea>`;
    return html`<input ...${text} type=${schema.format === "date" ? "date" : "text"} placeholder=${hintOf(schema)} spellcheck=${false} autocomplete="off" />`;
  }
  return html`<${JsonInput} value=${value} onChange=${onChange} common=${common} />`;
}

const hintOf = (schema) => (schema.default !== undefined && schema.default !== null ? String(schema.default) : schema.examples?.[0] ?? undefined);

function number(text) {
  const trimmed = text.trim();
  if (!trimmed) return undefined;
  return String(Number(trimmed)) === trimmed ? Number(trimmed) : /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(trimmed) ? new Exact(trimmed) : trimmed;
}

function local(time) {
  if (!time) return "";
  const date = new Date(time);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

// What no simpler field fits is typed as JSON; what does not parse yet is kept as text, and said to be none.
export function JsonInput({ value, onChange, common, rows = 4 }) {
  const [text, setText] = useState(value === undefined ? "" : stringify(value, 2));
  const [fault, setFault] = useState("");
  const type = (next) => {
    setText(next);
    try {
      onChange(next.trim() ? parse(next) : undefined);
      setFault("");
    } catch {
      setFault(t("no_json"));
    }
  };
  return html`<textarea class="mono" ...${common} rows=${rows} spellcheck=${false} value=${text} onInput=${(event) => type(event.target.value)}></textarea>
    ${fault && html`<span class="fault" role="alert">${fault}</span>`}`;
}
