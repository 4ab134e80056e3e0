// What stands around every page: where one can go, who one is, and whether all is well.
import { html, signal, useEffect } from "../lib.js";
import { logOut, may, me, reachable } from "../api.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { link, path } from "../router.js";
import { Icon } from "./icon.js";

export const helpShown = signal(false);

const PLACES = [
  ["overview", [], "overview"],
  ["jobs", ["jobs"], "jobs"],
  ["definitions", ["definitions"], "definitions"],
  ["workers", ["workers"], "workers"],
  ["admin", ["admin"], "admin"],
];

export const isAdmin = () => may("keys") || may("tenant") || may("audit");

function Places() {
  const here = path.value[0] || "overview";
  return PLACES.filter(([name]) => name !== "admin" || isAdmin()).map(([name, to, icon]) => html`
    <a key=${name} href=${link(to)} aria-current=${here === name || (here === "new" && name === "jobs") ? "page" : undefined}>
      <${Icon} name=${icon} /><span>${t(`nav_${name}`)}</span></a>`);
}

// Redis or PostgreSQL away: said on every page, in words that say what still works.
function Trouble() {
  const health = useAnswer("readyz", { verbose: "1" }, { seconds: 10 });
  if (!reachable.value) return html`<p class="banner bad" role="alert">${t("banner_unreachable")}</p>`;
  const checks = health.data?.checks || {};
  if (checks.postgresql && checks.postgresql !== "ok") return html`<p class="banner bad" role="alert">${t("banner_postgresql")}</p>`;
  if (checks.redis && checks.redis !== "ok") return html`<p class="banner" role="alert">${t("banner_redis")}</p>`;
  return null;
}

export const Shell = ({ children }) => html`
  <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), document.getElementById("main").focus())}>${t("skip")}</a>
  <div class="shell">
    <header class="side">
      <a class="brand" href=${link([])} aria-label="Lavori"><span class="mark"></span>Lavori</a>
      ${may("jobs:create") && html`<a class="button primary new" href=${link(["new"])}><${Icon} name="plus" size="16" />${t("new_job")}</a>`}
      <nav aria-label=${t("pages")}><${Places} /></nav>
      <div class="who">
        <div class="who-name" title=${me.value.principal}>${me.value.principal}</div>
        <div class="muted">${me.value.tenant}</div>
        <div class="who-links">
          <a href="api/doc">API</a>
          <button class="plain" onClick=${() => (helpShown.value = true)}>${t("keys_help")}</button>
          <button class="plain" onClick=${logOut}>${t("log_out")}</button>
        </div>
      </div>
    </header>
    <main id="main" tabindex="-1"><${Trouble} />${children}</main>
  </div>`;

// `name` is what the browser's tab says, where the title is more than text.
export function Page({ title, name = title, sub, actions, children, crumbs }) {
  useEffect(() => {
    document.title = `${name} · Lavori`;
  }, [name]);
  return html`
    <div class="page-head">
      <div>${crumbs && html`<nav class="crumbs" aria-label=${t("path")}>${crumbs}</nav>`}
        <h1>${title}</h1>${sub && html`<p class="muted sub">${sub}</p>`}</div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </div>
    ${children}`;
}

export const Panel = ({ title, actions, children, flush = false }) => html`
  <section class="panel ${flush ? "flush" : ""}" aria-label=${title}>
    ${title && html`<header><h2>${title}</h2>${actions}</header>`}${children}
  </section>`;
