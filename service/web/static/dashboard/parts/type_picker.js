import { html, useState } from "../lib.js";
import { t } from "../i18n.js";

// All job types as cards, to take one.
export function TypePicker({ types, onPick }) {
  const [words, setWords] = useState("");
  const found = types.filter((one) => `${one.code} ${one.name} ${one.description}`.toLowerCase().includes(words.toLowerCase()));
  return html`
    <div class="picker">
      ${types.length > 8 && html`<input type="search" aria-label=${t("find_type")} placeholder=${t("find_type")} value=${words} onInput=${(event) => setWords(event.target.value)} />`}
      <div class="cards">${found.map((one) => html`
        <button class="card" key=${one.code} onClick=${() => onPick(one.code)}>
          <span class="card-sort">${one.category || t("other")}</span><b>${one.name}</b><span class="card-what">${one.description}</span>
          <span class="card-foot"><code>${one.code}</code>${one.workers === 0 && html`<span class="bad">${t("no_workers")}</span>`}</span></button>`)}</div>
    </div>`;
}
