import { html, useState } from "../lib.js";
import { address, logIn } from "../api.js";
import { t } from "../i18n.js";
import { place } from "../router.js";
import { why } from "../parts/states.js";

// A session's cookie needs https off this machine; without, the browser drops it, and a login would seem to do nothing.
const isSafe = window.isSecureContext;
// Where people may log in instead of with a key: the server has put it into the page.
const { provider } = document.body.dataset;

export function Login() {
  const [key, setKey] = useState("");
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await logIn({ key: key.trim() });
    } catch (error) {
      setFault(error.status === 401 ? t(isSafe ? "login_unknown" : "login_insecure") : why(error));
    }
    setBusy(false);
  };
  return html`
    <main class="login">
      <form onSubmit=${submit}>
        <div class="brand"><span class="mark"></span>Lavori</div>
        <h1>${t("log_in")}</h1>
        <p class="muted">${t("login_hint")}</p>
        <label for="key">${t("key")}</label>
        <input id="key" type="password" autocomplete="current-password" required maxlength="512" value=${key}
          aria-invalid=${fault ? "true" : undefined} aria-describedby="login-fault" onInput=${(event) => setKey(event.target.value)} />
        <p id="login-fault" class="fault" role="alert">${fault}</p>
        <button class="button primary" disabled=${busy || !key.trim()}>${t("log_in")}</button>
        ${provider && html`
          <p class="or muted">${t("login_or")}</p>
          <a class="button" id="log-in-elsewhere" href=${address("login/oidc", { place: place() })}>${t("login_with", { provider })}</a>`}
        ${!isSafe && html`<p class="muted">${t("login_insecure")}</p>`}
      </form>
    </main>`;
}
