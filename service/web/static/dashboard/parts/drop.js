import { html, useRef, useState } from "../lib.js";
import { bytes } from "../format.js";
import { t } from "../i18n.js";
import { Icon } from "./icon.js";

// Where a file is dropped, or chosen. `kept` is one that is there already, of the job this one is made from.
export function Drop({ rule, file, kept, onFile, error }) {
  const [over, setOver] = useState(false);
  const input = useRef();
  const take = (event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]);
  };
  const shown = file || kept;
  return html`
    <div class="field"><span class="field-name" id="drop-name">${t("attachment")}${rule.required && html`<span class="must">*</span>`}</span>
      <label class="drop ${over ? "over" : ""}" onDragOver=${(event) => (event.preventDefault(), setOver(true))}
        onDragLeave=${() => setOver(false)} onDrop=${take}>
        <input ref=${input} type="file" aria-labelledby="drop-name" accept=${rule.mime_types?.join(",") || undefined}
          onChange=${(event) => event.target.files[0] && onFile(event.target.files[0])} />
        <${Icon} name="file" size="22" />
        ${shown ? html`<span><b class="wrap">${shown.name}</b> <span class="muted">${bytes(shown.size)}</span></span><span class="muted">${t("choose_other")}</span>`
          : html`<span><b>${t("drop_here")}</b> ${t("or_choose")}</span>${rule.mime_types?.length && html`<span class="muted">${rule.mime_types.join(", ")}</span>`}`}
      </label>
      ${error && html`<span class="fault" role="alert">${error}</span>`}</div>`;
}
