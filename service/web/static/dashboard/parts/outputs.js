import { html, useState } from "../lib.js";
import { address } from "../api.js";
import { parse } from "../exact.js";
import { bytes } from "../format.js";
import { t } from "../i18n.js";
import { Icon } from "./icon.js";
import { Code, Json } from "./json.js";
import { Links } from "./links.js";
import { canPreview, Preview } from "./preview.js";
import { Panel } from "./shell.js";

// A small result: JSON as JSON, what is flat as a row of figures, the rest as text.
export function Output({ text }) {
  let value;
  try {
    value = parse(text);
  } catch {
    value = undefined;
  }
  const object = value && typeof value === "object";
  const flat = object && !Array.isArray(value) && Object.keys(value).length > 0 && Object.keys(value).length <= 8 && Object.values(value).every((one) => one === null || ["number", "boolean"].includes(typeof one));
  return html`<${Panel} title=${t("output")}>${flat
    ? html`<dl class="figures">${Object.entries(value).map(([name, one]) => html`<div key=${name}><dt>${name}</dt><dd class="num">${String(one)}</dd></div>`)}</dl>`
    : object ? html`<${Json} value=${value} />` : html`<${Code} text=${text} />`}<//>`;
}

export const Outputs = ({ job }) => html`
  <${Panel} title=${t("files")} flush><ul class="lines">${job.outputs.map((one) => html`<${OutputFile} key=${one.id} job=${job} output=${one} />`)}</ul><//>`;

function OutputFile({ job, output }) {
  const [open, setOpen] = useState("");
  const base = `api/jobs/${job.id}/outputs/${output.id}/content`;
  const flip = (what) => setOpen(open === what ? "" : what);
  return html`
    <li class="file">
      <div class="file-line"><${Icon} name="file" />
        <div class="line-main"><b class="wrap">${output.name}</b><span class="muted">${bytes(output.size)} · ${output.mime_type}</span></div>
        <div class="file-acts">
          ${canPreview(output) && html`<button class="button" aria-expanded=${open === "preview"} onClick=${() => flip("preview")}>${t("preview")}</button>`}
          <button class="button" aria-expanded=${open === "links"} onClick=${() => flip("links")}><${Icon} name="link" size="16" />${t("links")}</button>
          <a class="button" href=${base} download><${Icon} name="download" size="16" />${t("download")}</a>
        </div></div>
      ${output.available_formats.length > 0 && html`<p class="formats muted">${t("also_as")} ${output.available_formats.map((format) => html`
        <a key=${format} href=${address(base, { format })} download>${format}</a> `)}</p>`}
      ${open === "preview" && html`<${Preview} output=${output} path=${base} />`}
      ${open === "links" && html`<${Links} job=${job} output=${output} />`}
    </li>`;
}
