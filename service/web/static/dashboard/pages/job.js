import { html, useEffect, useRef, useState } from "../lib.js";
import { get, may, me } from "../api.js";
import { duration } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer, useJobStream } from "../live.js";
import { link } from "../router.js";
import { JobActions } from "../parts/job_actions.js";
import { Details } from "../parts/job_details.js";
import { Explain } from "../parts/explain.js";
import { Messages } from "../parts/messages.js";
import { Notices } from "../parts/notices.js";
import { Output, Outputs } from "../parts/outputs.js";
import { Request } from "../parts/request.js";
import { Timeline } from "../parts/timeline.js";
import { Page, Panel } from "../parts/shell.js";
import { Failure, Loading } from "../parts/states.js";
import { JobBadge, Progress, TERMINAL } from "../parts/status.js";

const MESSAGES = 500; // kept on the page; the API has them all

const mine = (job) => may("jobs:control_all") || (may("jobs:create") && job.created_by === me.value.principal);

export function Job({ id }) {
  const first = useAnswer(`api/jobs/${id}`, { include: "messages,attempts" });
  const [job, setJob] = useState(null);
  const [messages, setMessages] = useState([]);
  const [gone, setGone] = useState(false);
  const seen = useRef(new Set());
  const add = (more) => {
    const news = more.filter((one) => !seen.current.has(one.seq));
    for (const one of news) seen.current.add(one.seq);
    if (news.length) setMessages((old) => [...old, ...news].sort((a, b) => a.seq - b.seq).slice(-MESSAGES));
  };
  useEffect(() => {
    if (!first.data) return;
    setJob((old) => (old && old.version > first.data.version ? old : first.data));
    add(first.data.messages);
  }, [first.data]);
  useJobStream(first.data && !gone && !TERMINAL.has(job?.status || first.data.status) ? id : null, {
    key: job?.run ?? first.data?.run,
    since: job?.version ?? first.data?.version,
    news: ({ job: latest, messages: said }) => {
      if (latest) setJob((old) => (old && old.version > latest.version ? old : latest));
      add(said);
    },
    gone: () => setGone(true),
  });
  const attempts = useAnswer(job ? `api/jobs/${id}/attempts` : null, {}, { when: Boolean(job) });
  const mark = job ? `${job.status}.${job.attempt}.${job.run}` : "";
  const last = useRef("");
  // The stream carries no attempts: they are asked for whenever one may have begun or ended.
  useEffect(() => {
    if (last.current && last.current !== mark) attempts.again();
    last.current = mark;
  }, [mark]);
  const crumbs = html`<a href=${link(["jobs"])}>${t("nav_jobs")}</a>`;
  if (first.error) return html`<${Page} title=${t("job")} crumbs=${crumbs}><div class="panel"><${Failure} error=${first.error} again=${first.again} /></div><//>`;
  if (!job) return html`<${Page} title=${t("job")} crumbs=${crumbs}><${Loading} /><//>`;
  if (gone) return html`<${Page} title=${t("job")} crumbs=${crumbs}><div class="panel"><${Failure} error=${{ status: 404, message: t("job_gone") }} /></div><//>`;
  const reload = async () => setJob(await get(`api/jobs/${id}`));
  return html`
    <${Page} crumbs=${crumbs} name=${`${job.type} #${job.number} ${t(`status_${job.status}`)}`}
      title=${html`${job.type} <span class="muted num">#${job.number}</span>`} sub=${job.description}
      actions=${mine(job) && html`<${JobActions} job=${job} onChange=${reload} />`}>
      <${Head} job=${job} />
      ${!TERMINAL.has(job.status) && job.status !== "running" && html`<${Explain} job=${job} />`}
      <div class="job-columns">
        <div>
          <${Outcome} job=${job} messages=${messages} />
          ${job.outputs.length > 0 && html`<${Outputs} job=${job} />`}
          <${Messages} id=${id} messages=${messages} live=${job.status === "running"} />
          <${Notices} key=${`${job.run}.${TERMINAL.has(job.status)}`} job=${job} mayResend=${mine(job)} />
          <${Request} job=${job} />
        </div>
        <div>
          <${Timeline} job=${job} attempts=${attempts.data?.attempts || first.data.attempts} />
          <${Details} job=${job} />
        </div>
      </div>
    <//>`;
}

const Head = ({ job }) => html`
  <section class="job-head s-${job.status}" aria-label=${t("status")}>
    <div class="job-head-line"><${JobBadge} job=${job} />
      <span class="job-at">${job.status === "running" ? job.running_output || job.status_text : headline(job)}</span>
      <span class="num">${job.status === "running" || job.status === "finished" ? `${job.percent_completed}%` : ""}</span></div>
    ${job.status === "running" && html`<${Progress} percent=${job.percent_completed} status=${job.status} label=${t("progress_of", { number: job.number })} />
      <${Estimate} id=${job.id} run=${job.run} />`}
  </section>`;

function headline(job) {
  if (job.status === "finished") return job.running_output || "";
  if (job.error) return "";
  return job.attempt > 1 ? t("retry_n", { n: job.attempt, of: job.max_attempts }) : "";
}

// When it may end, by how long such jobs took lately; asked seldom, since the history does not change much.
function Estimate({ id, run }) {
  const explained = useAnswer(`api/jobs/${id}/explain`, {}, { seconds: 20 });
  const end = explained.data?.estimated_end_at;
  if (!end) return null;
  const left = (Date.parse(end) - Date.now()) / 1000;
  return html`<p class="muted">${left > 1 ? t("ends_in", { time: duration(left) }) : t("ends_soon")}</p>`;
}

function Outcome({ job }) {
  if (job.error) {
    return html`<${Panel} title=${t("why_failed")}><p class="error-code"><code>${job.error.code}</code>
      ${job.error.retryable && html`<span class="muted">${t("retryable")}</span>`}</p>
      <pre class="error-text" tabindex="0">${job.error.message}</pre><//>`;
  }
  if (job.output !== null && job.response_type === "inline") return html`<${Output} text=${job.output} />`;
  return null;
}
