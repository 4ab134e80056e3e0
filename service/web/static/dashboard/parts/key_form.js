import { html, useState } from "../lib.js";
import { t } from "../i18n.js";
import { Field } from "./field.js";
import { why } from "./states.js";

const ROLES = ["viewer", "user", "curator", "admin"];
const DAYS = [["", "never"], ["30", "window_30d"], ["90", "window_90d"], ["365", "window_1y"]];

export function KeyForm({ onMake, onCancel }) {
  const [value, setValue] = useState({ role: "user" });
  const [fault, setFault] = useState(null);
  const set = (name) => (next) => setValue({ ...value, [name]: next });
  const submit = async (event) => {
    event.preventDefault();
    const expires = value.days ? { expires_at: new Date(Date.now() + Number(value.days) * 86_400_000).toISOString() } : {};
    try {
      await onMake({ name: value.name || "", principal: value.principal || "", roles: [value.role], ...expires });
    } catch (error) {
      setFault(error);
    }
  };
  const errors = fault?.errors || [];
  return html`
    <form onSubmit=${submit}>
      <${Field} name="name" schema=${{ type: "string", title: t("name"), maxLength: 200 }} root=${{}} value=${value.name} onChange=${set("name")} errors=${errors} at="#/name" required />
      <${Field} name="principal" schema=${{ type: "string", title: t("principal"), description: t("principal_hint"), maxLength: 200 }} root=${{}}
        value=${value.principal} onChange=${set("principal")} errors=${errors} at="#/principal" required />
      <fieldset><legend>${t("role")}</legend>${ROLES.map((role) => html`
        <label class="radio" key=${role}><input type="radio" name="role" value=${role} checked=${role === value.role} onChange=${() => set("role")(role)} />
          <span><b>${t(`role_${role}`)}</b><span class="hint">${t(`role_${role}_hint`)}</span></span></label>`)}</fieldset>
      <div class="field"><label for="f-days"><span class="field-name">${t("expires")}</span></label>
        <select id="f-days" onChange=${(event) => set("days")(event.target.value)}>${DAYS.map(([days, name]) => html`<option key=${days} value=${days}>${t(name)}</option>`)}</select></div>
      ${fault && !errors.length && html`<p class="fault" role="alert">${why(fault)}</p>`}
      <footer><button type="button" class="button" onClick=${onCancel}>${t("never_mind")}</button><button class="button primary">${t("make_key")}</button></footer>
    </form>`;
}
