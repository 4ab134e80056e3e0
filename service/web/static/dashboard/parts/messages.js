import { html, useEffect, useRef, useState } from "../lib.js";
import { exact } from "../format.js";
import { t } from "../i18n.js";
import { Panel } from "./shell.js";
import { Choice } from "./tabs.js";

const GRAVE = new Set(["warning", "error"]);

// What the job said, newest at the bottom; it follows along until one scrolls up.
export function Messages({ id, messages, live }) {
  const [level, setLevel] = useState("all");
  const box = useRef(), follows = useRef(true);
  const shown = level === "all" ? messages : messages.filter((one) => GRAVE.has(one.level));
  useEffect(() => {
    if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [shown.length]);
  if (!messages.length && !live) return null;
  return html`
    <${Panel} title=${t("messages")} flush actions=${html`
      <${Choice} label=${t("level")} value=${level} onChange=${setLevel} options=${[["all", t("all")], ["grave", t("warnings")]]} />
      <a href=${`api/jobs/${id}/messages?limit=1000`} target="_blank" rel="noopener">JSON</a>`}>
      <div class="log" ref=${box} tabindex="0" role="log" aria-label=${t("messages")}
        onScroll=${(event) => (follows.current = event.target.scrollHeight - event.target.scrollTop - event.target.clientHeight < 24)}>
        ${shown.length ? shown.map((one) => html`
          <div class="log-line l-${one.level}" key=${one.seq}><time dateTime=${one.time} title=${exact(one.time)}>${one.time.slice(11, 23)}</time>
            <span class="l-word">${one.level}</span><span>${one.tool_id && html`<b>${one.tool_id} </b>`}${one.text}</span></div>`)
          : html`<p class="muted">${t("no_messages")}</p>`}
      </div>
    <//>`;
}
