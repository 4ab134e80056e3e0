// The first rows of an output, from its first bytes alone, however large it is.
import { html, useEffect, useState } from "../lib.js";
import { t } from "../i18n.js";
import { Failure, Loading } from "./states.js";

const BYTES = 32_768, ROWS = 20, COLUMNS = 30;
const TEXT = /^text\/|json|xml|csv/;

export const canPreview = (output) => TEXT.test(output.mime_type) && output.size > 0;

export function Preview({ output, path }) {
  const [state, setState] = useState({});
  useEffect(() => {
    const abort = new AbortController();
    (async () => {
      try {
        const response = await fetch(path, { headers: { Range: `bytes=0-${BYTES - 1}` }, signal: abort.signal });
        if (!response.ok) throw new Error(`HTTP ${response.status}`);
        setState({ text: new TextDecoder().decode(await response.arrayBuffer()) });
      } catch (error) {
        if (error.name !== "AbortError") setState({ error });
      }
    })();
    return () => abort.abort();
  }, [path]);
  if (state.error) return html`<${Failure} error=${state.error} />`;
  if (state.text === undefined) return html`<${Loading} rows="3" />`;
  const whole = output.size <= BYTES;
  const rows = /csv/.test(output.mime_type) ? table(state.text, whole) : null;
  return html`
    <div class="preview">
      ${rows ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t("preview")}><table>
          <thead><tr>${rows[0].map((cell, n) => html`<th key=${n} scope="col">${cell}</th>`)}</tr></thead>
          <tbody>${rows.slice(1).map((row, n) => html`<tr key=${n}>${row.map((cell, m) => html`<td key=${m}>${cell}</td>`)}</tr>`)}</tbody></table></div>`
        : html`<pre tabindex="0">${state.text.slice(0, 8_000)}</pre>`}
      <p class="muted">${t(whole && (!rows || rows.length <= ROWS) ? "preview_whole" : "preview_first")}</p>
    </div>`;
}

// Rows of a CSV; the last one is left out where the bytes end in the middle of it.
export function table(text, whole) {
  const separator = (text.split("\n")[0].match(/;/g) || []).length > (text.split("\n")[0].match(/,/g) || []).length ? ";" : ",";
  const rows = [];
  let row = [], cell = "", quoted = false;
  const source = text.replace(/^\ufeff/, "");
  for (let n = 0; n < source.length && rows.length <= ROWS; n++) {
    const c = source[n];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (source[n + 1] === '"') (cell += c), n++;
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === separator) row.push(cell), (cell = "");
    else if (c === "\n" || c === "\r") {
      if (c === "\r" && source[n + 1] === "\n") n++;
      rows.push([...row, cell].slice(0, COLUMNS));
      [row, cell] = [[], ""];
    } else cell += c;
  }
  if (whole && (cell || row.length) && rows.length <= ROWS) rows.push([...row, cell].slice(0, COLUMNS));
  return rows.length ? rows : [[""]];
}
