import { html, useEffect, useState } from "../lib.js";
import { get } from "../api.js";
import { stringify } from "../exact.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link } from "../router.js";
import { Panel } from "./shell.js";
import { Answered, Empty } from "./states.js";
import { complain } from "./toast.js";
import { When } from "./when.js";

const KINDS = ["job", "definition", "attachment", "link", "key", "session", "tenant", "webhook_endpoint", "notice"];

export function Audit() {
  const [filter, setFilter] = useState({});
  const first = useAnswer("api/audit", { ...filter, limit: 50 }, { seconds: 15 });
  const [more, setMore] = useState({ rows: [], next: null });
  useEffect(() => setMore({ rows: [], next: null }), [first.data]);
  const next = more.rows.length ? more.next : first.data?.next;
  const onMore = async () => {
    try {
      const page = await get(next.slice(next.indexOf("api/")));
      setMore({ rows: [...more.rows, ...page.audit], next: page.next || null });
    } catch (error) {
      complain(error);
    }
  };
  const set = (name) => (event) => setFilter({ ...filter, [name]: event.target.value.trim() });
  return html`
    <div class="filters row">
      <input type="search" aria-label=${t("principal")} placeholder=${t("principal")} onChange=${set("principal")} />
      <input type="search" aria-label=${t("object_id")} placeholder=${t("object_id")} onChange=${set("object_id")} />
      <select aria-label=${t("kind")} onChange=${set("object_type")}><option value="">${t("all_kinds")}</option>${KINDS.map((kind) => html`<option key=${kind} value=${kind}>${kind}</option>`)}</select>
    </div>
    <${Panel} flush><${Answered} answer=${first} rows="6">${(data) => data.audit.length ? html`
      <div class="scroll" tabindex="0" role="region" aria-label=${t("tab_audit")}><table class="plain-table audit stack">
        <thead><tr><th>${t("when")}</th><th>${t("by")}</th><th>${t("what")}</th><th>${t("changes")}</th><th>${t("from_where")}</th></tr></thead>
        <tbody>${[...data.audit, ...more.rows].map((row) => html`
          <tr key=${String(row.id)}><td data-label=${t("when")}><${When} time=${row.at} /></td><td data-label=${t("by")}>${row.principal}</td>
            <td data-label=${t("what")}><b>${row.action}</b> ${row.object_type} ${subject(row)}</td>
            <td class="mono changes" data-label=${t("changes")}><${Changes} changes=${row.changes} /></td><td class="muted" data-label=${t("from_where")}>${row.address || ""}</td></tr>`)}</tbody></table></div>
      ${next && html`<div class="more"><button class="button" onClick=${onMore}>${t("load_more")}</button></div>`}`
      : html`<${Empty} title=${t("no_match")} />`}<//><//>`;
}

function subject(row) {
  if (!row.object_id) return null;
  if (row.object_type === "job") return html`<a class="mono" href=${link(["jobs", row.object_id])}>${row.object_id.slice(0, 8)}…</a>`;
  if (row.object_type === "definition") return html`<a href=${link(["definitions", row.object_id])}>${row.object_id}</a>`;
  return html`<span class="mono" title=${row.object_id}>${row.object_id.slice(0, 12)}</span>`;
}

const Changes = ({ changes }) => Object.entries(changes || {}).slice(0, 6).map(([name, pair]) => html`
  <div key=${name}>${name}${Array.isArray(pair) && html`: ${pair[0] !== null && html`<span class="was">${stringify(pair[0])} → </span>`}${pair[1] === null ? "–" : stringify(pair[1])}`}</div>`);
