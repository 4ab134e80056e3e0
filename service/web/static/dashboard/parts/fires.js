import { html, useEffect, useState } from "../lib.js";
import { post } from "../api.js";
import { exact, moment } from "../format.js";
import { language, t } from "../i18n.js";
import { Loading } from "./states.js";
import { When } from "./when.js";

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
  const zone = schedule.timezone || "UTC";
  return html`
    <h3>${t(schedule.enabled === false ? "next_fires_paused" : "next_fires")}</h3>
    ${!fires ? html`<${Loading} rows="3" />` : !fires.length ? html`<p class="muted">${t("no_fires")}</p>` : html`
      <p class="muted">${t("clock_of", { zone })}</p>
      <ol class="fires">${fires.map((one) => html`
        <li key=${one.at}><time dateTime=${one.at} title=${exact(one.at)}>${shown(one.local)}</time>
          ${one.policy !== "normal" && html`<span class="label">${t(`policy_${one.policy}`)}</span>`}
          <span class="muted">${isHere(one) ? html`<${When} time=${one.at} relative />` : t("your_time", { time: moment(one.at, { seconds: false }) })}</span></li>`)}</ol>`}`;
}

const LOCAL = /^(\S+?)T(\d\d:\d\d)\S*?(?:([+-])(\d\d):(\d\d)|Z)$/;

// What the schedule's own clock shows, whatever the reader's does.
function shown(local) {
  const [, date, time] = LOCAL.exec(local);
  const year = date.slice(0, 4) === String(new Date().getFullYear()) ? undefined : "numeric";
  const day = new Date(`${date}T00:00:00Z`).toLocaleDateString(language.value, { weekday: "short", day: "numeric", month: "short", year, timeZone: "UTC" });
  return `${day}, ${time}`;
}

// Whether the reader's clock shows the same then.
function isHere({ at, local }) {
  const [, , , sign, hours, minutes] = LOCAL.exec(local);
  return -new Date(at).getTimezoneOffset() === (sign ? Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) : 0);
}
