// A cron expression in plain words, for the shapes that people use; null for the others, which are shown as they are.
import { language, t } from "../i18n.js";

const STAR = /^[*?]$/;
const isNumber = (text) => /^\d+$/.test(text);
const isList = (text) => /^\d+(,\d+)+$/.test(text);

export function inWords(expression) {
  const fields = expression.trim().split(/\s+/);
  if (fields.length < 5 || fields.length > 7) return null;
  const quartz = fields.length > 5;
  if (quartz && (fields[0] !== "0" || (fields[6] && !STAR.test(fields[6])))) return null;
  const [minute, hour, day, month, weekday] = quartz ? fields.slice(1) : fields;
  const when = atTime(minute, hour);
  if (!when) return null;
  const dates = onDays(day, month, weekday, quartz);
  if (dates === null) return null;
  const often = STAR.test(hour) || hour.includes("/"); // "every hour" says of itself that it is every day
  const text = often && dates === t("cron_daily") ? when : [dates, when].filter(Boolean).join(" ");
  return text[0].toUpperCase() + text.slice(1);
}

function atTime(minute, hour) {
  const every = /^(?:\*|0)\/(\d+)$/;
  if (STAR.test(minute) && STAR.test(hour)) return t("cron_minute");
  if (every.test(minute) && STAR.test(hour)) return t("cron_minutes", { n: Number(every.exec(minute)[1]) });
  if (isNumber(minute) && STAR.test(hour)) return t("cron_hour", { minute: minute.padStart(2, "0") });
  if (isNumber(minute) && every.test(hour)) return t("cron_hours", { n: Number(every.exec(hour)[1]), minute: minute.padStart(2, "0") });
  if (isNumber(minute) && (isNumber(hour) || isList(hour))) {
    return t("cron_at", { time: join(hour.split(",").map((one) => `${one.padStart(2, "0")}:${minute.padStart(2, "0")}`)) });
  }
  return null;
}

function onDays(day, month, weekday, quartz) {
  const months = STAR.test(month) ? "" : isNumber(month) || isList(month) ? t("cron_in", { months: join(month.split(",").map(monthName)) }) : null;
  if (months === null) return null;
  if (STAR.test(day) && STAR.test(weekday)) return [t("cron_daily"), months].filter(Boolean).join(" ");
  if (STAR.test(weekday)) {
    if (day === "L") return [t("cron_last_day"), months].filter(Boolean).join(" ");
    return isNumber(day) || isList(day) ? [t("cron_dates", { days: join(day.split(",")) }), months].filter(Boolean).join(" ") : null;
  }
  if (!STAR.test(day)) return null;
  const days = weekdays(weekday.toUpperCase(), quartz);
  return days && [days, months].filter(Boolean).join(" ");
}

const NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

function weekdays(text, quartz) {
  const number = (one) => (NAMES.includes(one) ? NAMES.indexOf(one) : isNumber(one) ? (quartz ? Number(one) - 1 : Number(one) % 7) : null);
  const range = /^(\w+)-(\w+)$/.exec(text);
  if (range) {
    const [from, to] = [number(range[1]), number(range[2])];
    if (from === null || to === null) return null;
    return from === 1 && to === 5 ? t("cron_working_days") : t("cron_range", { from: dayName(from), to: dayName(to) });
  }
  const days = text.split(",").map(number);
  return days.includes(null) ? null : t("cron_weekdays", { days: join(days.map(dayName)) });
}

// 2023-01-01 was a Sunday.
const dayName = (n) => new Date(Date.UTC(2023, 0, 1 + n)).toLocaleDateString(language.value, { weekday: "long", timeZone: "UTC" });
const monthName = (n) => new Date(Date.UTC(2023, Number(n) - 1, 1)).toLocaleDateString(language.value, { month: "long", timeZone: "UTC" });
const join = (words) => new Intl.ListFormat(language.value, { type: "conjunction" }).format(words);
