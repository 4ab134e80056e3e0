import { html, useState } from "../lib.js";
import { may, me, post, remove } from "../api.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { confirm, Dialog } from "./dialog.js";
import { Code } from "./json.js";
import { KeyForm } from "./key_form.js";
import { Panel } from "./shell.js";
import { Answered } from "./states.js";
import { tell } from "./toast.js";
import { When } from "./when.js";

export function Keys() {
  const keys = useAnswer("api/keys", { limit: 200 });
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState(null);
  const make = async (body) => {
    setMade(await post("api/keys", body));
    setMaking(false);
    keys.again();
  };
  const own = (key) => key.id === me.value.key_id;
  const revoke = (key) => confirm({
    title: t("revoke_key_title", { name: key.name }), text: t(own(key) ? "revoke_own_key_text" : "revoke_key_text"), label: t("revoke"), danger: true,
    act: async () => {
      await remove(`api/keys/${key.id}`);
      tell(t("revoked"));
      keys.again();
    },
  });
  const rotate = (key) => confirm({
    title: t("rotate_key_title", { name: key.name }), text: t(own(key) ? "rotate_own_key_text" : "rotate_key_text"), label: t("rotate"), danger: true,
    act: async () => {
      setMade(await post(`api/keys/${key.id}/rotate`, {}));
      keys.again();
    },
  });
  return html`
    <${Panel} title=${t("tab_keys")} flush actions=${may("keys") && html`<button class="button primary" onClick=${() => setMaking(true)}>${t("new_key")}</button>`}>
      <${Answered} answer=${keys}>${(data) => html`
        <div class="scroll" tabindex="0" role="region" aria-label=${t("tab_keys")}><table class="plain-table stack">
          <thead><tr><th>${t("name")}</th><th>${t("principal")}</th><th>${t("roles")}</th><th>${t("last_used")}</th><th>${t("expires")}</th><th><span class="hidden">${t("actions")}</span></th></tr></thead>
          <tbody>${data.keys.map((key) => html`
            <tr key=${key.id}><td><b>${key.name}</b>${own(key) && html` <span class="label">${t("this_one")}</span>`}</td><td data-label=${t("principal")}>${key.principal}</td>
              <td data-label=${t("roles")}>${[...key.roles, ...key.grants].map((one) => html`<span class="label" key=${one}>${one}</span>`)}</td>
              <td data-label=${t("last_used")}>${key.last_used_at ? html`<${When} time=${key.last_used_at} relative />` : html`<span class="muted">${t("never")}</span>`}</td>
              <td data-label=${t("expires")}>${key.expires_at ? html`<${When} time=${key.expires_at} relative />` : html`<span class="muted">${t("never")}</span>`}</td>
              <td class="end"><button class="button" onClick=${() => rotate(key)}>${t("rotate")}</button> <button class="button danger" onClick=${() => revoke(key)}>${t("revoke")}</button></td></tr>`)}</tbody>
        </table></div>`}<//>
    <//>
    ${making && html`<${Dialog} title=${t("new_key")} onClose=${() => setMaking(false)}><${KeyForm} onMake=${make} onCancel=${() => setMaking(false)} /><//>`}
    ${made && html`<${Dialog} title=${made.name} onClose=${() => setMade(null)}><p>${t("secret_once")}</p><${Code} text=${made.secret} />
      <footer><button class="button primary" onClick=${() => setMade(null)}>${t("kept_it")}</button></footer><//>`}`;
}
