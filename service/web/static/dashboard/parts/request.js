// What was asked for: the args as JSON, and how to ask the same from a terminal.
import { html, useState } from "../lib.js";
import { stringify } from "../exact.js";
import { bytes } from "../format.js";
import { t } from "../i18n.js";
import { Icon } from "./icon.js";
import { Code, Json } from "./json.js";
import { Panel } from "./shell.js";
import { Choice } from "./tabs.js";

const KINDS = [["json", "JSON"], ["curl", "curl"], ["cli", "CLI"]];

export function Request({ job }) {
  const [kind, setKind] = useState("json");
  const file = job.attachment;
  return html`
    <${Panel} title=${t("request")} actions=${html`<${Choice} label=${t("form")} value=${kind} onChange=${setKind} options=${KINDS} />`}>
      ${kind === "json" ? html`<${Json} value=${job.args} />` : html`<${Code} text=${kind === "curl" ? curl(job) : cli(job)} />`}
      ${file && html`<div class="file-line"><${Icon} name="file" />
        <div class="line-main"><b class="wrap">${file.name}</b><span class="muted">${bytes(file.size)} · ${file.mime_type}</span>
          ${file.sha256 && html`<span class="clip mono muted" title=${file.sha256}>sha256 ${file.sha256}</span>`}</div>
        ${file.sha256 && html`<a class="button" href=${`api/jobs/${job.id}/attachment`} download><${Icon} name="download" size="16" />${t("download")}</a>`}</div>`}
    <//>`;
}

const quoted = (text) => `'${text.replace(/'/g, "'\\''")}'`;
const origin = () => new URL(".", location.href).href.replace(/\/$/, "");
const word = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : quoted(text));

export function curl(job) {
  const body = stringify({ type: job.type, ...(Object.keys(job.args).length && { args: job.args }) });
  const head = `curl -s ${origin()}/api/jobs \\\n  -H "Authorization: Bearer $LAVORI_KEY"`;
  if (!job.attachment) return `${head} \\\n  -H "Content-Type: application/json" \\\n  -d ${quoted(body)}`;
  const { name, mime_type: mime } = job.attachment;
  return `${head} \\\n  -F ${quoted(`job=${body};type=application/json`)} \\\n  -F ${quoted(`attachment=@${name};type=${mime}`)}`;
}

export function cli(job) {
  const args = Object.entries(job.args).map(([name, value]) =>
    `--arg ${word(`${name}=${typeof value === "string" ? value : stringify(value)}`)}`);
  const file = job.attachment ? [word(job.attachment.name)] : [];
  return ["lavori submit", word(job.type), ...file, ...args, "--watch"].join(" ");
}
