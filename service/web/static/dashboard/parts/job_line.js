import { html } from "../lib.js";
import { link } from "../router.js";
import { JobBadge } from "./status.js";
import { When } from "./when.js";

// A job on a line of a small list.
export const JobLine = ({ job }) => html`
  <li><a class="line" href=${link(["jobs", job.id])}>
    <span class="line-main"><span><b>${job.type}</b> <span class="muted num">#${job.number}</span></span>
      <span class="clip muted">${job.error ? job.error.message : job.description || ""}</span></span>
    <span class="line-end">${job.error ? html`<code>${job.error.code}</code>` : html`<${JobBadge} job=${job} />`}
      <${When} time=${job.terminated_at || job.created_at} relative /></span></a></li>`;
