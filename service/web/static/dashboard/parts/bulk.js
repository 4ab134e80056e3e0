// What is done to many jobs at once: first how many it would touch, then the doing, then what came of it.
import { html, useState } from "../lib.js";
import { post } from "../api.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { confirm } from "./dialog.js";
import { complain, tell } from "./toast.js";

const ACTIONS = ["cancel", "rerun", "suspend", "resume", "delete"];
const MOST = 10_000; // what one call of the API reaches by a filter

export function BulkBar({ chosen, all, hasMore, filter, onAll, onClear, onDone }) {
  const [busy, setBusy] = useState(false);
  const which = all ? { filter } : { ids: chosen.map((job) => job.id) };
  const ask = async (action) => {
    setBusy(true);
    try {
      const { matched } = await post("api/jobs/actions", { action, ...which, dry_run: true });
      const n = Math.min(Number(matched), MOST);
      confirm({
        title: t(`bulk_${action}_title`, { n, shown: count(n) }),
        text: t(`bulk_${action}_text`) + (Number(matched) > MOST ? ` ${t("bulk_most", { shown: count(MOST) })}` : ""),
        label: t(`act_${action}`),
        danger: action === "delete" || action === "cancel",
        act: async () => {
          outcome(await post("api/jobs/actions", { action, ...which }));
          onDone();
        },
      });
    } catch (error) {
      complain(error);
    }
    setBusy(false);
  };
  return html`
    <div class="bulk" role="region" aria-label=${t("selected")}>
      <span>${all ? t("all_selected") : t("n_selected", { n: chosen.length })}</span>
      ${hasMore && !all && html`<button class="plain link" onClick=${onAll}>${t("select_all_matching")}</button>`}
      <span class="bulk-actions">${ACTIONS.map((action) => html`
        <button class="button ${action === "delete" ? "danger" : ""}" key=${action} disabled=${busy} onClick=${() => ask(action)}>${t(`act_${action}`)}</button>`)}</span>
      <button class="plain link" onClick=${onClear}>${t("clear_selection")}</button>
    </div>`;
}

function outcome({ results }) {
  const refused = results.filter((one) => one.problem);
  const done = results.length - refused.length;
  if (!refused.length) return tell(t("bulk_done", { n: done, shown: count(done) }));
  return complain(t("bulk_refused", { done: count(done), refused: count(refused.length), why: refused[0].problem.detail }));
}
