import { html } from "../lib.js";
import { Exact, stringify } from "../exact.js";
import { Copy } from "./copy.js";

// JSON with its numbers as they came, coloured by what each part is.
export function Json({ value }) {
  const text = stringify(value, 2);
  return html`<div class="code"><${Copy} text=${text} /><pre tabindex="0">${coloured(text)}</pre></div>`;
}

const PART = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d[\d.eE+-]*/g;
const MOST = 20_000; // characters: beyond, colours cost more than they tell

function coloured(text) {
  if (text.length > MOST) return text;
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(PART)) {
    parts.push(text.slice(from, found.index));
    const kind = found[2] ? "j-name" : found[1] ? "j-text" : found[3] ? "j-word" : "j-number";
    const shown = found[2] ? found[1] : found[0];
    parts.push(html`<span class=${kind}>${shown}</span>`);
    if (found[2]) parts.push(found[2]);
    from = found.index + found[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}

export const Code = ({ text }) => html`<div class="code"><${Copy} text=${text} /><pre tabindex="0">${text}</pre></div>`;

// A value on one line.
export const brief = (value) => (value instanceof Exact ? value.text : typeof value === "string" ? value : stringify(value));
