import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../lib.js";
import { t } from "../i18n.js";
import { Icon } from "./icon.js";
import { why } from "./states.js";

// A modal window over the browser's own <dialog>, which keeps the focus inside and closes at Escape.
export function Dialog({ title, onClose, children, wide = false }) {
  const box = useRef();
  useLayoutEffect(() => { // before it is painted: Escape must never find it shown and not yet modal
    const before = document.activeElement;
    box.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`
    <dialog ref=${box} class=${wide ? "wide" : ""} aria-labelledby="dialog-title"
      onCancel=${(event) => (event.preventDefault(), onClose())}
      onClick=${(event) => event.target === box.current && onClose()}>
      <div class="dialog-body">
        <header><h2 id="dialog-title">${title}</h2>
          <button class="plain" aria-label=${t("close")} onClick=${onClose}><${Icon} name="close" /></button></header>
        ${children}
      </div>
    </dialog>`;
}

const asked = signal(null);

// Ask before something is done that can't be undone. `act` does it, and its failure is shown in the window.
export const confirm = (question) => (asked.value = question);

export function Confirmation() {
  const question = asked.value;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  useEffect(() => (setBusy(false), setError(null)), [question]);
  if (!question) return null;
  const act = async () => {
    setBusy(true);
    try {
      await question.act();
      asked.value = null;
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${question.title} onClose=${() => (asked.value = null)}>
      <p>${question.text}</p>
      ${error && html`<p class="fault" role="alert">${why(error)}</p>`}
      <footer>
        <button class="button" onClick=${() => (asked.value = null)}>${t("never_mind")}</button>
        <button class="button ${question.danger ? "danger" : "primary"}" disabled=${busy} onClick=${act}>${question.label}</button>
      </footer>
    <//>`;
}
