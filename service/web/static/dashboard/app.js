// Where the dashboard begins: log in, find the page that the address names, listen to the keyboard.
import { html, render, signal, useEffect } from "./lib.js";
import { loggedOut, logIn, me, whoAmI } from "./api.js";
import { language, t } from "./i18n.js";
import { listen } from "./keyboard.js";
import { go, path } from "./router.js";
import { Confirmation } from "./parts/dialog.js";
import { Help } from "./parts/help.js";
import { Shell } from "./parts/shell.js";
import { Empty, Failure, Loading } from "./parts/states.js";
import { Toasts } from "./parts/toast.js";
import { Admin } from "./pages/admin.js";
import { Definition } from "./pages/definition.js";
import { Definitions } from "./pages/definitions.js";
import { Job } from "./pages/job.js";
import { Jobs } from "./pages/jobs.js";
import { Login } from "./pages/login.js";
import { NewJob } from "./pages/new_job.js";
import { Overview } from "./pages/overview.js";
import { Workers } from "./pages/workers.js";

const started = signal(false);
const failed = signal(null);

async function start() {
  failed.value = null;
  const ticket = /^#ticket=(ls_[0-9a-f]+)$/.exec(location.hash);
  if (ticket) go([], {}, { replace: true }); // used or not, it has no business in the history
  try {
    await (ticket ? logIn({ ticket: ticket[1] }).catch(whoAmI) : whoAmI());
  } catch (error) {
    if (error.status !== 401) failed.value = error;
  }
  started.value = true;
}

function route() {
  const [place, name, more] = path.value;
  if (!place || place === "overview") return html`<${Overview} />`;
  if (place === "jobs") return name ? html`<${Job} id=${name} key=${name} />` : html`<${Jobs} />`;
  if (place === "new") return html`<${NewJob} />`;
  if (place === "definitions") {
    return name ? html`<${Definition} code=${name === "new" && more === "one" ? null : name} key=${name} />` : html`<${Definitions} />`;
  }
  if (place === "workers") return html`<${Workers} />`;
  if (place === "admin") return html`<${Admin} tab=${name || "keys"} />`;
  return html`<${Empty} title=${t("error_not_found")} />`;
}

function App() {
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [path.value.join("/")]);
  if (!started.value) return html`<main class="alone"><${Loading} rows="3" /></main>`;
  if (failed.value) return html`<main class="alone"><${Failure} error=${failed.value} again=${start} /></main>`;
  if (!me.value || loggedOut.value) return html`<${Login} /><${Toasts} />`;
  return html`<${Shell}>${route()}<//><${Confirmation} /><${Help} /><${Toasts} />`;
}

listen();
render(html`<${App} key=${language.value} />`, document.getElementById("app"));
start();
