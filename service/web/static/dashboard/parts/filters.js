import { html } from "../lib.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { go } from "../router.js";
import { Icon } from "./icon.js";
import { Search } from "./search.js";
import { STATUSES } from "./status.js";

const TIMES = [["", "any_time"], ["900", "window_15m"], ["3600", "window_1h"], ["86400", "window_1d"], ["604800", "window_7d"]];
const ORDERS = [["", "sort_newest"], ["created_at", "sort_oldest"], ["-terminated_at", "sort_ended"], ["type", "sort_type"], ["status", "sort_status"]];

// The search box and the chips: whatever is set here is in the address, by the names of the API's own parameters.
export function Filters({ words }) {
  const stats = useAnswer("api/stats", {}, { seconds: 5 });
  const types = Object.keys(stats.data?.by_type || {});
  const set = (changes) => {
    const next = new URLSearchParams(words);
    next.delete("find");
    for (const [name, value] of Object.entries(changes)) {
      next.delete(name);
      for (const one of [value].flat()) if (one) next.append(name, one);
    }
    go(["jobs"], next);
  };
  const statuses = words.getAll("status");
  const toggle = (status) => set({ status: statuses.includes(status) ? statuses.filter((one) => one !== status) : [...statuses, status] });
  const plain = ["status", "type", "within", "sort", "find"];
  const chips = [...words].filter(([name]) => !plain.includes(name));
  return html`
    <div class="filters">
      <${Search} types=${types} onFilter=${set} />
      <div class="chips" role="group" aria-label=${t("filter_status")}>
        ${STATUSES.map((status) => html`
          <button key=${status} class="chip s-${status}" aria-pressed=${statuses.includes(status)} onClick=${() => toggle(status)}>
            <span class="dot"></span>${t(`status_${status}`)}
            ${stats.data && html`<small class="num">${count(stats.data.by_status[status])}</small>`}</button>`)}
      </div>
      <div class="selects">
        <${Select} label=${t("type")} value=${words.get("type") || ""} onChange=${(type) => set({ type })}
          options=${[["", t("any_type")], ...types.map((type) => [type, type])]} />
        <${Select} label=${t("created")} value=${words.get("within") || ""} onChange=${(within) => set({ within })}
          options=${TIMES.map(([value, name]) => [value, t(name)])} />
        <${Select} label=${t("order")} value=${words.get("sort") || ""} onChange=${(sort) => set({ sort })}
          options=${ORDERS.map(([value, name]) => [value, t(name)])} />
      </div>
      ${chips.length > 0 && html`<div class="chips set">
        ${chips.map(([name, value]) => html`
          <button class="chip on" key=${name} aria-label=${t("remove_filter", { name: `${name} ${value}` })} onClick=${() => set({ [name]: "" })}>
            <span class="muted">${chipName(name)}</span> ${value} <${Icon} name="close" size="13" /></button>`)}
        <a href="#/jobs">${t("clear_filters")}</a></div>`}
    </div>`;
}

const NAMES = { q: "search_text", number: "search_number", idempotency_key: "search_key", created_by: "search_person" };
const chipName = (name) => (NAMES[name] ? t(NAMES[name]) : name.replace(/^label\./, `${t("search_label")} `));

export const Select = ({ label, value, options, onChange }) => html`
  <select aria-label=${label} value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${options.map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
  </select>`;
