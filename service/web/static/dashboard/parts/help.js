import { html } from "../lib.js";
import { t } from "../i18n.js";
import { Dialog } from "./dialog.js";
import { helpShown } from "./shell.js";

const KEYS = [["/", "key_search"], ["j k", "key_move"], ["Enter", "key_open"], ["x", "key_select"],
  ["g o", "nav_overview"], ["g j", "nav_jobs"], ["g n", "new_job"], ["g d", "nav_definitions"],
  ["g w", "nav_workers"], ["?", "keys_help"], ["Esc", "key_close"]];

export const Help = () => helpShown.value && html`
  <${Dialog} title=${t("keys_help")} onClose=${() => (helpShown.value = false)}>
    <dl class="keys">${KEYS.map(([keys, what]) => html`
      <div key=${keys}><dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${t(what)}</dd></div>`)}</dl>
  <//>`;
