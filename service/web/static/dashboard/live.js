// What changes while one looks: event streams and repeated questions, all of which rest while the tab is hidden.
import { signal, useEffect, useRef, useState } from "./lib.js";
import { address, get, loggedOut, me } from "./api.js";
import { parse } from "./exact.js";

export const shown = signal(!document.hidden);
document.addEventListener("visibilitychange", () => (shown.value = !document.hidden));

const FLOOD = 150; // events in a second: more than anybody reads, so lists ask again instead
const CALM_MS = 10_000;

// A stream of events; `on` has a function for each kind. Gives what ends it. Browsers reconnect by themselves, and go on
// from the last event; when the server says no, we ask who we are, and that tells why.
function stream(path, query, on) {
  const source = new EventSource(address(path, query));
  for (const [kind, tell] of Object.entries(on)) {
    source.addEventListener(kind, (event) => tell(parse(event.data)));
  }
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED && on.closed) on.closed();
  };
  return () => source.close();
}

const BUNDLE_MS = 200; // changes are told in bundles, so that what is busy does not keep the page busy

// The changes of one job, and its messages, after its version `since`, as long as it is looked at.
export function useJobStream(id, on) {
  const told = useRef(on);
  told.current = on;
  const visible = shown.value;
  useEffect(() => {
    if (!id || !visible) return undefined;
    let timer = 0, flush = 0, close = () => {}, last = null, messages = [];
    const tell = () => {
      flush = 0;
      const bundle = { job: last, messages };
      [last, messages] = [null, []];
      told.current.news(bundle);
    };
    const open = () => {
      close = stream(`api/jobs/${id}/events`, { last_event_id: told.current.since }, {
        job: (job) => ((last = job), (flush ||= setTimeout(tell, BUNDLE_MS))),
        message: (message) => (messages.push(message), (flush ||= setTimeout(tell, BUNDLE_MS))),
        gone: () => (close(), told.current.gone()),
        closed: () => (timer = setTimeout(open, 5_000)),
      });
    };
    open();
    return () => (clearTimeout(timer), clearTimeout(flush), close());
  }, [id, visible, on.key]);
}

// The changes of all jobs.
export function useJobsStream(on, { active = true } = {}) {
  const told = useRef(on);
  told.current = on;
  const visible = shown.value;
  useEffect(() => {
    if (!visible || !active) return undefined;
    let close = () => {}, timer = 0, flush = 0, jobs = new Map(), gone = [], count = 0, began = Date.now();
    const tell = () => {
      flush = 0;
      const bundle = { jobs: [...jobs.values()], gone };
      [jobs, gone] = [new Map(), []];
      told.current(bundle);
    };
    const note = () => {
      if (Date.now() - began > 1_000) [count, began] = [0, Date.now()];
      count += 1;
      if (count > FLOOD) {
        close();
        timer = setTimeout(open, CALM_MS);
        told.current({ jobs: [], gone: [], flooded: true });
      }
      flush ||= setTimeout(tell, BUNDLE_MS);
    };
    const open = () => {
      count = 0;
      close = stream("api/events", {}, {
        job: (job) => (jobs.set(job.id, job), note()),
        gone: ({ id }) => (gone.push(id), note()),
        closed: () => (timer = setTimeout(open, 5_000)),
      });
    };
    open();
    return () => (clearTimeout(timer), clearTimeout(flush), close());
  }, [visible, active]);
}

// Ask for something, and again every `seconds` while the tab is shown. Gives {data, error, loading, again}.
export function useAnswer(path, query, { seconds = 0, when = true } = {}) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const key = `${path}?${JSON.stringify(query || {})}`;
  const asked = useRef("");
  const visible = shown.value;
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!when || !path || (!visible && asked.current === key)) return undefined;
    const abort = new AbortController();
    let timer = 0;
    if (asked.current !== key) setState((old) => ({ ...old, loading: true, stale: true, error: null }));
    asked.current = key;
    const ask = async () => {
      try {
        const data = await get(path, query, { signal: abort.signal });
        setState({ data, error: null, loading: false });
      } catch (error) {
        if (error.name === "AbortError" || loggedOut.value) return;
        setState((old) => ({ ...old, data: old.stale ? null : old.data, error, loading: false }));
      }
      if (seconds) timer = setTimeout(ask, seconds * 1_000);
    };
    ask();
    return () => (abort.abort(), clearTimeout(timer));
  }, [key, seconds, when, visible, turn, me.value?.key_id]);
  return { ...state, again: () => setTurn((old) => old + 1), set: (data) => setState({ data, error: null, loading: false }) };
}

// The time, anew every second, for what says how long ago something was.
export const now = signal(Date.now());
setInterval(() => {
  if (shown.value) now.value = Date.now();
}, 1_000);

