import { html, useEffect, useState } from "../lib.js";
import { post } from "../api.js";
import { exact } from "../format.js";
import { language, t } from "../i18n.js";

const MEMBERS = ["cron", "timezone", "enabled", "misfire", "overlap", "dst_gap", "dst_fold", "jitter_seconds", "start_at", "end_at"];

// The members of a schedule that may be asked for, without those that are only told.
export const asked = (schedule) => Object.fromEntries(MEMBERS.filter((name) => schedule[name] !== undefined && schedule[name] !== null).map((name) => [name, schedule[name]]));

// The next times of a schedule, by its own clock; `onFault` is told what is wrong with it.
export function NextFires({ schedule, count = 5, onFault }) {
  const [fires, setFires] = useState(null);
  const key = JSON.stringify(asked(schedule));
  useEffect(() => {
    let late = false;
    const timer = setTimeout(async () => {
      try {
        const answer = await post("api/schedules/preview", { ...JSON.parse(key), count });
        if (!late) (setFires(answer.fires), onFault?.([]));
      } catch (error) {
        if (!late) (setFires([]), onFault?.(error.errors || [{ pointer: "#/cron", detail: error.message }]));
      }
    }, 250);
    return () => ((late = true), clearTimeout(timer));
  }, [key, count]);
  if (!fires) return html`<p class="muted">…</p>`;
  if (!fires.length) return html`<p class="muted">${t("no_fires")}</p>`;
  return html`<ol class="fires">${fires.map((one) => html`
    <li key=${one.at}><time dateTime=${one.at} title=${exact(one.at)}>${shown(one.local)}</time>
      ${one.policy !== "normal" && html`<span class="label">${t(`policy_${one.policy}`)}</span>`}</li>`)}</ol>`;
}

// What the schedule's own clock shows, whatever the reader's does: the offset is kept beside it.
function shown(local) {
  const [, date, time, offset] = /^(\S+?)T(\d\d:\d\d(?::\d\d)?)[\d.]*(.*)$/.exec(local);
  const day = new Date(`${date}T00:00:00Z`).toLocaleDateString(language.value, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
  return `${day} ${time.slice(0, 5)} ${offset === "+00:00" || offset === "Z" ? "UTC" : offset}`;
}
