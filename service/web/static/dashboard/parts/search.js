// One box for all that one may know of a job: what was typed becomes filters of the list, the likeliest first.
import { html, useRef, useState } from "../lib.js";
import { t } from "../i18n.js";
import { useKeys } from "../keyboard.js";
import { go, params } from "../router.js";
import { useEffect } from "../lib.js";
import { Icon } from "./icon.js";

const ID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

export function meanings(text, types) {
  const word = text.trim();
  if (!word) return [];
  const found = [];
  if (ID.test(word)) found.push({ as: "search_id", open: word.toLowerCase() });
  if (/^#?\d{1,18}$/.test(word)) found.push({ as: "search_number", query: { number: word.replace("#", "") } });
  const label = /^([^\s=]{1,64})=(.*)$/.exec(word);
  if (label) found.push({ as: "search_label", query: { [`label.${label[1]}`]: label[2] } });
  for (const type of types) {
    if (found.length < 4 && type.toLowerCase().includes(word.toLowerCase()) && word.length > 1) {
      found.push({ as: "search_type", shown: type, query: { type } });
    }
  }
  found.push({ as: "search_text", query: { q: word } });
  if (!/\s/.test(word) && word.length <= 64) {
    found.push({ as: "search_key", query: { idempotency_key: word } });
    found.push({ as: "search_person", query: { created_by: word } });
  }
  return found;
}

export function Search({ types, onFilter }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [open, setOpen] = useState(false);
  const box = useRef();
  const found = meanings(text, types);
  useKeys({ "/": () => box.current.focus() });
  useEffect(() => {
    if (params.value.get("find")) box.current.focus();
  }, []);
  const take = (one) => {
    setText("");
    setOpen(false);
    if (one.open) go(["jobs", one.open]);
    else onFilter(one.query);
  };
  const onKey = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      event.preventDefault();
      setAt((at + step + found.length) % found.length);
    } else if (event.key === "Enter" && found.length) {
      event.preventDefault();
      take(found[Math.min(at, found.length - 1)]);
    } else if (event.key === "Escape") {
      setOpen(false);
    }
  };
  const shown = open && found.length > 0;
  return html`
    <div class="search">
      <${Icon} name="search" size="16" />
      <input ref=${box} type="search" role="combobox" aria-expanded=${shown} aria-controls="search-meanings" aria-autocomplete="list"
        aria-activedescendant=${shown ? `meaning-${at}` : undefined} aria-label=${t("search")} placeholder=${t("search_hint")}
        autocomplete="off" spellcheck=${false} maxlength="200" value=${text}
        onInput=${(event) => (setText(event.target.value), setAt(0), setOpen(true))} onKeyDown=${onKey}
        onFocus=${() => setOpen(true)} onBlur=${() => setTimeout(() => setOpen(false), 150)} />
      <kbd aria-hidden="true">/</kbd>
      ${shown && html`<ul id="search-meanings" role="listbox" aria-label=${t("search")}>
        ${found.map((one, n) => html`
          <li key=${one.as + n} id="meaning-${n}" role="option" aria-selected=${n === at}
            onMouseDown=${(event) => (event.preventDefault(), take(one))}>
            <span class="muted">${t(one.as)}</span> <b>${one.shown || text.trim()}</b></li>`)}</ul>`}
    </div>`;
}
