import { html, useState } from "../lib.js";
import { post, remove } from "../api.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { confirm } from "./dialog.js";
import { Copy, copy } from "./copy.js";
import { Answered } from "./states.js";
import { complain, tell } from "./toast.js";
import { When } from "./when.js";

const SCOPES = ["private", "organization", "public"];
const TIMES = [[3600, "window_1h"], [86400, "window_1d"], [604800, "window_7d"], [2592000, "window_30d"]];

// The links to an output: who may follow each, until when, how often it was; and new ones.
export function Links({ job, output }) {
  const path = `api/jobs/${job.id}/outputs/${output.id}/links`;
  const links = useAnswer(path, {});
  const [scope, setScope] = useState("organization");
  const [seconds, setSeconds] = useState(604800);
  const [most, setMost] = useState("");
  const make = async (event) => {
    event.preventDefault();
    try {
      const made = await post(path, { scope, expires_in: seconds, ...(most && { max_downloads: Number(most) }) });
      links.again();
      await copy(made.url);
    } catch (error) {
      complain(error);
    }
  };
  const revoke = (one) => confirm({
    title: t("revoke_link_title"), text: t("revoke_link_text"), label: t("revoke"), danger: true,
    act: async () => {
      await remove(`${path}/${one.id}`);
      tell(t("revoked"));
      links.again();
    },
  });
  return html`
    <div class="links">
      <form class="inline" onSubmit=${make}>
        <label>${t("who")}<select value=${scope} onChange=${(event) => setScope(event.target.value)}>
          ${SCOPES.map((one) => html`<option key=${one} value=${one} selected=${one === scope}>${t(`scope_${one}`)}</option>`)}</select></label>
        <label>${t("expires")}<select value=${seconds} onChange=${(event) => setSeconds(Number(event.target.value))}>
          ${TIMES.map(([value, name]) => html`<option key=${value} value=${value} selected=${value === seconds}>${t(name)}</option>`)}</select></label>
        <label>${t("max_downloads")}<input type="number" min="1" max="1000000" placeholder="∞" value=${most} onInput=${(event) => setMost(event.target.value)} /></label>
        <button class="button primary">${t("make_link")}</button>
      </form>
      <${Answered} answer=${links} rows="1">${(data) => html`<ul class="plain-list">${data.links.map((one) => html`
        <li key=${one.id} class=${isOver(one) ? "over" : ""}>
          <div class="line-main"><span><b>${t(`scope_${one.scope}`)}</b> <span class="muted">${one.revoked_at ? t("revoked") : html`${t("until")} <${When} time=${one.expires_at} />`}
            · ${t("downloads_n", { n: one.downloads, most: one.max_downloads ? ` / ${one.max_downloads}` : "" })}</span></span>
            <span class="clip mono">${one.url}</span></div>
          ${!isOver(one) && html`<${Copy} text=${one.url} label=${t("copy_link")} /><button class="button danger" onClick=${() => revoke(one)}>${t("revoke")}</button>`}
        </li>`)}</ul>`}<//>
    </div>`;
}

const isOver = (one) => Boolean(one.revoked_at) || (one.expires_at && Date.parse(one.expires_at) < Date.now());
