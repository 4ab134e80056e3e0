import { html, useEffect, useRef, useState } from "../lib.js";
import { exact } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link } from "../router.js";

// The last jobs of a definition as a strip of bars, oldest first: their colour is how they ended, their height how long they ran.
// It asks only while it is in sight: a page may hold many.
export function LastRuns({ code, seconds = 10 }) {
  const box = useRef();
  const [inSight, setInSight] = useState(false);
  useEffect(() => {
    const watcher = new IntersectionObserver(([entry]) => setInSight(entry.isIntersecting));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  const { data } = useAnswer(`api/job-definitions/${code}/jobs`, { limit: 20, fields: FIELDS }, { seconds, when: inSight });
  return html`<div ref=${box} class="runs"><${Strip} data=${data} /></div>`;
}
const FIELDS = "id,number,status,created_at,started_at,terminated_at";

function Strip({ data }) {
  const jobs = (data?.jobs || []).slice().reverse();
  if (data && !jobs.length) return html`<span class="muted">${t("never_ran")}</span>`;
  const took = jobs.map((job) => (job.started_at && job.terminated_at ? Date.parse(job.terminated_at) - Date.parse(job.started_at) : 0));
  const most = Math.max(...took, 1);
  return html`<div class="strip" role="list" aria-label=${t("last_runs")}>${jobs.map((job, n) => html`
    <span role="listitem" key=${job.id}><a class="s-${job.status}" href=${link(["jobs", job.id])} title="#${job.number} · ${t(`status_${job.status}`)} · ${exact(job.created_at)}"
      aria-label="#${job.number} ${t(`status_${job.status}`)}"><i style=${{ height: `${30 + (took[n] / most) * 70}%` }}></i></a></span>`)}</div>`;
}
