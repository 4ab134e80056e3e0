// What stands where nothing is: yet, at all, or because something went wrong.
import { html } from "../lib.js";
import { t } from "../i18n.js";
import { Icon } from "./icon.js";

export const Loading = ({ rows = 5 }) => html`
  <div class="skeleton" role="status" aria-label=${t("loading")}>
    ${Array.from({ length: rows }, (_, n) => html`<div class="bone" key=${n} style=${{ width: `${92 - (n * 17) % 38}%` }}></div>`)}
  </div>`;

export const Empty = ({ title, hint, children }) => html`
  <div class="empty"><p class="empty-title">${title}</p>${hint && html`<p class="muted">${hint}</p>`}${children}</div>`;

export function why(error) {
  if (!error) return "";
  if (error.code === "unreachable") return t("error_unreachable");
  if (error.status === 429) return t("error_slow_down", { seconds: error.retryAfter || 1 });
  return error.message;
}

export const Failure = ({ error, again }) => html`
  <div class="failure" role="alert">
    <${Icon} name="alert" />
    <div><p><strong>${t(error.status === 404 ? "error_not_found" : "error_title")}</strong></p><p class="muted">${why(error)}</p></div>
    ${again && error.status !== 404 && html`<button class="button" onClick=${again}>${t("try_again")}</button>`}
  </div>`;

// The three of them for an answer that is asked for: {data, error, loading, again}.
export const Answered = ({ answer, rows, children }) => {
  if (answer.data) return children(answer.data);
  if (answer.error) return html`<${Failure} error=${answer.error} again=${answer.again} />`;
  return html`<${Loading} rows=${rows} />`;
};
