import { html } from "../lib.js";
import { duration } from "../format.js";
import { t } from "../i18n.js";
import { link } from "../router.js";
import { Copy } from "./copy.js";
import { Panel } from "./shell.js";
import { When } from "./when.js";

// The rest of what is known of a job; what is not set is not shown.
export function Details({ job }) {
  const rows = [
    ["id", html`<span class="mono wrap">${job.id}</span> <${Copy} text=${job.id} />`],
    ["definition", job.definition && html`<a href=${link(["definitions", job.definition])}>${job.definition}</a>`],
    ["queue", job.queue],
    ["priority", t(`priority_${job.priority}`)],
    ["worker_tag", job.worker_tag],
    ["labels", Object.keys(job.labels).length > 0 && Object.entries(job.labels).map(([name, value]) => html`
      <a class="label" key=${name} href=${link(["jobs"], { [`label.${name}`]: value })}>${name}=${value}</a>`)],
    ["by", html`<a href=${link(["jobs"], { created_by: job.created_by })}>${job.created_by}</a>`],
    ["changed_by", job.modified_by !== job.created_by && job.modified_by],
    ["tries", job.max_attempts > 1 && t("n_of", { n: job.attempt, of: job.max_attempts })],
    ["timeout", duration(job.timeout_seconds)],
    ["idempotency_key", job.idempotency_key && html`<span class="mono wrap">${job.idempotency_key}</span>`],
    ["client_request_id", job.client_request_id && html`<span class="mono wrap">${job.client_request_id}</span>`],
    ["correlation_id", job.correlation_id && html`<a class="mono wrap" href=${link(["jobs"], { correlation_id: job.correlation_id })}>${job.correlation_id}</a>`],
    ["category", [job.category, job.sub_category].filter(Boolean).join(" / ")],
    ["expires", job.expires_at && html`<${When} time=${job.expires_at} />`],
    ["purge_at", job.purge_at && html`<${When} time=${job.purge_at} />`],
  ].filter(([, value]) => value);
  return html`<${Panel} title=${t("details")}><dl class="details">${rows.map(([name, value]) => html`
    <div key=${name}><dt>${t(name)}</dt><dd>${value}</dd></div>`)}</dl><//>`;
}
