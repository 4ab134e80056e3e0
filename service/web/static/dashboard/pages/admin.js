import { html } from "../lib.js";
import { may } from "../api.js";
import { t } from "../i18n.js";
import { go } from "../router.js";
import { Audit } from "../parts/audit.js";
import { Keys } from "../parts/keys.js";
import { Page } from "../parts/shell.js";
import { Empty } from "../parts/states.js";
import { Choice } from "../parts/tabs.js";
import { Tenant } from "../parts/tenant.js";

const TABS = { keys: [Keys, "keys"], tenant: [Tenant, "tenant"], audit: [Audit, "audit"] };

export function Admin({ tab }) {
  const open = Object.keys(TABS).filter((name) => may(TABS[name][1]));
  if (!open.length) return html`<${Page} title=${t("nav_admin")}><${Empty} title=${t("not_allowed")} /><//>`;
  const here = open.includes(tab) ? tab : open[0];
  const Shown = TABS[here][0];
  return html`
    <${Page} title=${t("nav_admin")} actions=${html`<${Choice} label=${t("pages")} value=${here} onChange=${(name) => go(["admin", name])}
      options=${open.map((name) => [name, t(`tab_${name}`)])} />`}><${Shown} /><//>`;
}
