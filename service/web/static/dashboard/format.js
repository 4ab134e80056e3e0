// Numbers, times and sizes, as the reader's language writes them; nothing is rounded that a machine may need whole.
import { language, t } from "./i18n.js";
import { Exact } from "./exact.js";

const once = (make) => {
  let made, of;
  return () => (of === language.value ? made : ((of = language.value), (made = make(language.value))));
};
const integer = once((tag) => new Intl.NumberFormat(tag));
const decimal = once((tag) => new Intl.NumberFormat(tag, { maximumFractionDigits: 1 }));
const day = once((tag) => new Intl.DateTimeFormat(tag, { day: "numeric", month: "short" }));
const year = once((tag) => new Intl.DateTimeFormat(tag, { day: "numeric", month: "short", year: "numeric" }));
const clock = once((tag) => new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }));
const second = once((tag) => new Intl.DateTimeFormat(tag, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
}));

export const count = (value) => (value instanceof Exact ? value.text : integer().format(value ?? 0));
export const rate = (value) => decimal().format(value ?? 0);

// Up to a second in milliseconds, then in seconds, and from a minute on in two parts: 2 h 05 min.
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, seconds);
  if (whole < 1) return `${Math.round(whole * 1000)} ms`;
  if (whole < 10) return `${decimal().format(whole)} s`;
  if (whole < 60) return `${Math.round(whole)} s`;
  const total = Math.round(whole);
  if (total < 3600) return `${Math.floor(total / 60)} min${rest(total % 60, "s")}`;
  if (total < 86400) return `${Math.floor(total / 3600)} h${rest(Math.floor((total % 3600) / 60), "min")}`;
  return `${Math.floor(total / 86400)} ${t("days")}${rest(Math.floor((total % 86400) / 3600), "h")}`;
}
const rest = (value, unit) => (value ? ` ${String(value).padStart(unit === "h" ? 1 : 2, "0")} ${unit}` : "");

export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

export function ago(time, from) {
  const seconds = (from - Date.parse(time)) / 1000;
  if (seconds < -1) return t("in_time", { time: rough(-seconds) });
  return seconds < 2 ? t("just_now") : t("ago", { time: rough(seconds) });
}
function rough(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400 * 2) return `${Math.round(seconds / 3600)} h`;
  if (seconds < 86400 * 730) return `${Math.round(seconds / 86400)} ${t("days")}`;
  return `${Math.round(seconds / (86400 * 365.25))} ${t("years")}`;
}

// In the reader's own zone, short; `exact` says it whole, with its milliseconds and the zone.
export function moment(time, { seconds = true } = {}) {
  if (!time) return "–";
  const date = new Date(time), today = new Date();
  const at = (seconds ? second() : clock()).format(date);
  if (date.toDateString() === today.toDateString()) return at;
  return `${(date.getFullYear() === today.getFullYear() ? day() : year()).format(date)} ${at}`;
}
export const exact = (time) => (time ? `${time.replace("T", " ").replace("Z", " UTC")}` : "");

const UNITS = ["B", "kB", "MB", "GB", "TB"];
export function bytes(size) {
  if (size === null || size === undefined) return "–";
  let value = Number(size), unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit && value < 100 ? decimal().format(value) : integer().format(Math.round(value))} ${UNITS[unit]}`;
}
