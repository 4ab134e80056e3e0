import { html, signal } from "../lib.js";
import { t } from "../i18n.js";
import { Icon } from "./icon.js";
import { why } from "./states.js";

const toasts = signal([]);
let last = 0;

function show(kind, text) {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-2), { id, kind, text }];
  setTimeout(() => drop(id), kind === "bad" ? 9_000 : 4_000);
}
const drop = (id) => (toasts.value = toasts.value.filter((one) => one.id !== id));

export const tell = (text) => show("good", text);
export const complain = (error) => show("bad", typeof error === "string" ? error : why(error));

export const Toasts = () => html`
  <div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map((one) => html`
      <div class="toast ${one.kind}" key=${one.id}>
        <${Icon} name=${one.kind === "bad" ? "alert" : "check"} /><span>${one.text}</span>
        <button class="plain" aria-label=${t("close")} onClick=${() => drop(one.id)}><${Icon} name="close" size="16" /></button>
      </div>`)}
  </div>`;
