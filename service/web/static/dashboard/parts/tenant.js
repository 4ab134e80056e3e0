import { html, useEffect, useState } from "../lib.js";
import { me, patch } from "../api.js";
import { bytes, count, duration } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { Field } from "./field.js";
import { Panel } from "./shell.js";
import { Answered, why } from "./states.js";
import { tell } from "./toast.js";

const CAPS = ["queued", "running", "storage_bytes", "requests_per_minute", "waiters"];
const RETENTION = ["jobs", "messages", "attachments", "outputs"];

export function Tenant() {
  const tenant = useAnswer("api/tenant", {});
  const who = useAnswer("api/me", {}, { seconds: 10 });
  return html`<${Answered} answer=${tenant}>${(data) => html`<${Form} tenant=${data} used=${(who.data || me.value).used} onSave=${tenant.set} />`}<//>`;
}

function Form({ tenant, used, onSave }) {
  const [value, setValue] = useState(tenant);
  const [fault, setFault] = useState(null);
  useEffect(() => setValue(tenant), [tenant]);
  const inside = (group, name) => (next) => setValue({ ...value, [group]: { ...value[group], [name]: next ?? null } });
  const save = async (event) => {
    event.preventDefault();
    setFault(null);
    try {
      onSave(await patch("api/tenant", { name: value.name, caps: value.caps, retention: value.retention, link_lifetime_seconds: value.link_lifetime_seconds }));
      tell(t("saved"));
    } catch (error) {
      setFault(error);
    }
  };
  const errors = fault?.errors || [];
  const number = (group, name) => html`<${Field} key=${name} name=${name} root=${{}} errors=${errors} at=${`#/${group}/${name}`} value=${value[group][name] ?? undefined}
    schema=${{ type: "integer", title: t(`${group}_${name}`), examples: [t(`no_${group}`)], description: group === "caps" ? usedText(name, used) : undefined }} onChange=${inside(group, name)} />`;
  return html`
    <form class="job-form wide" onSubmit=${save}>
      <div class="columns">
        <${Panel} title=${t("caps")}><p class="muted">${t("caps_hint")}</p>${CAPS.map((name) => number("caps", name))}<//>
        <${Panel} title=${t("retention")}><p class="muted">${t("retention_hint")}</p>${RETENTION.map((name) => number("retention", name))}
          <${Field} name="name" schema=${{ type: "string", title: t("tenant_name"), maxLength: 200 }} root=${{}} value=${value.name} errors=${errors} at="#/name" required onChange=${(name) => setValue({ ...value, name })} />
          <${Field} name="link" schema=${{ type: "integer", title: t("link_lifetime"), description: Number(value.link_lifetime_seconds) > 0 ? duration(Number(value.link_lifetime_seconds)) : undefined }} root=${{}} value=${value.link_lifetime_seconds} errors=${errors} at="#/link_lifetime_seconds"
            onChange=${(next) => setValue({ ...value, link_lifetime_seconds: next ?? null })} /><//>
      </div>
      ${fault && !errors.length && html`<p class="fault" role="alert">${why(fault)}</p>`}
      <footer><button class="button primary">${t("save")}</button></footer>
    </form>`;
}

function usedText(name, used) {
  if (!used || used[name] === null || used[name] === undefined) return undefined;
  return t("in_use", { shown: name === "storage_bytes" ? bytes(used[name]) : count(used[name]) });
}
