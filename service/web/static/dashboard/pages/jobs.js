import { html, useEffect, useMemo, useRef, useState } from "../lib.js";
import { get, may } from "../api.js";
import { t } from "../i18n.js";
import { useKeys } from "../keyboard.js";
import { useAnswer, useJobsStream } from "../live.js";
import { go, params } from "../router.js";
import { BulkBar } from "../parts/bulk.js";
import { Filters } from "../parts/filters.js";
import { JobsTable } from "../parts/jobs_table.js";
import { Page } from "../parts/shell.js";
import { Empty, Failure, Loading } from "../parts/states.js";
import { complain } from "../parts/toast.js";

const FIELDS = "id,number,version,type,definition,status,status_text,percent_completed,running_output,description,labels,"
  + "created_by,created_at,started_at,terminated_at,run_at,priority,error,can_rerun,cancel_requested,run,attempt,max_attempts";
const A_PAGE = 50;

// The filters of the address as the API takes them; "within" is how long ago, which it has no word for.
export function filterOf(words) {
  const filter = {};
  for (const [name, value] of words) {
    if (["find", "sort", "within"].includes(name)) continue;
    filter[name] = filter[name] ? [].concat(filter[name], value) : value;
  }
  const within = Number(words.get("within"));
  if (within) filter.created_from = new Date(Date.now() - within * 1000).toISOString();
  return filter;
}

export function Jobs() {
  const words = params.value, key = words.toString();
  const query = useMemo(() => ({ ...filterOf(words), sort: words.get("sort") || undefined, limit: A_PAGE, fields: FIELDS }), [key]);
  const first = useAnswer("api/jobs", query, { seconds: 15 });
  const [more, setMore] = useState({ jobs: [], next: null, busy: false });
  const [changed, setChanged] = useState({});
  const [selected, setSelected] = useState(new Set());
  const [all, setAll] = useState(false);
  const [at, setAt] = useState(-1);
  useEffect(() => (setMore({ jobs: [], next: null }), setSelected(new Set()), setAll(false), setAt(-1)), [key]);
  useEffect(() => setChanged({}), [first.data]);

  const jobs = useMemo(() => {
    const seen = new Set();
    return [...(first.data?.jobs || []), ...more.jobs].filter((job) => !seen.has(job.id) && seen.add(job.id))
      .map((job) => (changed[job.id]?.version > job.version ? { ...job, ...changed[job.id] } : job))
      .filter((job) => changed[job.id] !== "gone");
  }, [first.data, more.jobs, changed]);
  const known = useRef(new Set());
  known.current = new Set(jobs.map((job) => job.id));
  const refresh = useRef(0);
  useJobsStream(({ jobs: news, gone, flooded }) => {
    if (news.length || gone.length) {
      setChanged((old) => ({
        ...old,
        ...Object.fromEntries(news.filter((job) => known.current.has(job.id)).map((job) => [job.id, job])),
        ...Object.fromEntries(gone.map((id) => [id, "gone"])),
      }));
    }
    if (flooded || news.some((job) => !known.current.has(job.id))) {
      refresh.current ||= setTimeout(() => ((refresh.current = 0), first.again()), flooded ? 3_000 : 800);
    }
  });
  useEffect(() => () => clearTimeout(refresh.current), []);

  const next = more.jobs.length ? more.next : first.data?.next;
  const onMore = async () => {
    setMore({ ...more, busy: true });
    try {
      const page = await get(next.slice(next.indexOf("api/")));
      setMore({ jobs: [...more.jobs, ...page.jobs], next: page.next || null });
    } catch (error) {
      complain(error);
      setMore({ ...more, busy: false });
    }
  };
  const toggle = (id) => {
    const now = new Set(selected);
    if (!now.delete(id)) now.add(id);
    setSelected(now);
    setAll(false);
  };
  useKeys({
    j: () => setAt((old) => Math.min(old + 1, jobs.length - 1)),
    k: () => setAt((old) => Math.max(old - 1, 0)),
    Enter: () => jobs[at] && go(["jobs", jobs[at].id]),
    x: () => jobs[at] && toggle(jobs[at].id),
  });
  const chosen = jobs.filter((job) => selected.has(job.id));
  const done = () => (setSelected(new Set()), setAll(false), first.again());
  const filtered = [...words.keys()].some((name) => !["sort", "find"].includes(name));
  return html`
    <${Page} title=${t("nav_jobs")}>
      <${Filters} words=${words} />
      ${first.error && !first.data && html`<${Failure} error=${first.error} again=${first.again} />`}
      ${!first.data && first.loading && html`<div class="panel"><${Loading} rows="8" /></div>`}
      ${first.data && (jobs.length ? html`
        <${JobsTable} jobs=${jobs} at=${at} selected=${selected} all=${all} onToggle=${toggle} sort=${words.get("sort") || "-created_at"}
          stale=${first.loading}
          onSort=${(sort) => go(["jobs"], { ...Object.fromEntries(words), sort })}
          onToggleAll=${() => (setSelected(selected.size === jobs.length ? new Set() : new Set(jobs.map((job) => job.id))), setAll(false))} />
        <div class="more">${next ? html`<button class="button" disabled=${more.busy} onClick=${onMore}>${t("load_more")}</button>`
          : html`<span class="muted">${t("end_of_list", { n: jobs.length })}</span>`}</div>`
        : html`<div class="panel"><${Empty} title=${t(filtered ? "no_match" : "no_jobs")} hint=${t(filtered ? "no_match_hint" : "no_jobs_hint")}>
            ${next ? html`<button class="button" onClick=${onMore}>${t("search_on")}</button>`
              : filtered ? html`<a class="button" href="#/jobs">${t("clear_filters")}</a>`
              : may("jobs:create") && html`<a class="button primary" href="#/new">${t("new_job")}</a>`}<//></div>`)}
      ${selected.size > 0 && may("jobs:create") && html`
        <${BulkBar} chosen=${chosen} all=${all} hasMore=${Boolean(next) && selected.size === jobs.length} filter=${filterOf(words)}
          onAll=${() => setAll(true)} onClear=${() => (setSelected(new Set()), setAll(false))} onDone=${done} />`}
    <//>`;
}
