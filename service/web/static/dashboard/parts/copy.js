import { html } from "../lib.js";
import { t } from "../i18n.js";
import { Icon } from "./icon.js";
import { complain, tell } from "./toast.js";

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    tell(t("copied"));
  } catch {
    complain(t("copy_by_hand"));
  }
}

export const Copy = ({ text, label }) => html`
  <button class="plain" title=${label || t("copy")} aria-label=${label || t("copy")} onClick=${() => copy(text)}>
    <${Icon} name="copy" size="16" /></button>`;
