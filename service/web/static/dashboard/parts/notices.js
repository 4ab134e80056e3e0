import { html, useEffect, useState } from "../lib.js";
import { post } from "../api.js";
import { duration } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { confirm } from "./dialog.js";
import { Icon } from "./icon.js";
import { Panel } from "./shell.js";
import { Answered, Empty, Failure } from "./states.js";
import { Badge, TERMINAL } from "./status.js";
import { complain, tell } from "./toast.js";
import { When } from "./when.js";

const LOOKS = { pending: "pending", undeliverable: "suspended", delivered: "finished", dead: "failed" };
const MOST = 100; // shown; the API has them all

// Who is told of the job's ends, and how far that has come. What has not ended yet owes nobody anything, unless it was run
// before: then one may ask. `mayResend` is for those who control the job.
export function Notices({ job, mayResend }) {
  const ended = TERMINAL.has(job.status);
  const [asked, setAsked] = useState(false);
  const [owed, setOwed] = useState(false);
  const answer = useAnswer(`api/jobs/${job.id}/notices`, { limit: MOST }, { when: ended || asked, seconds: owed ? 3 : 0 });
  const notices = answer.data?.notices;
  useEffect(() => setOwed(Boolean(notices?.some((one) => one.state === "pending"))), [notices]);
  if (!ended && !asked) {
    return job.run > 1 && html`<${Panel} title=${t("notices")} actions=${html`<button class="button" onClick=${() => setAsked(true)}>${t("show")}</button>`}>
      <p class="muted">${t("notices_of_before")}</p><//>`;
  }
  // Most jobs tell nobody: for these nothing comes and goes.
  if (ended && !notices?.length && !answer.error) return null;
  const renew = (one) => answer.set({ ...answer.data, notices: notices.map((old) => (old.id === one.id ? one : old)) });
  return html`
    <${Panel} title=${t("notices")} flush>
      ${notices && answer.error && html`<${Failure} error=${answer.error} again=${answer.again} />`}
      <${Answered} answer=${answer} rows="2">${(data) => data.notices.length ? html`
        <ul class="lines">${data.notices.map((one) => html`<${Notice} key=${one.id} notice=${one} runs=${job.run} mayResend=${mayResend} onChange=${renew} />`)}</ul>
        ${data.next && html`<p class="more muted">${t("notices_most", { n: MOST })}</p>`}`
        : html`<${Empty} title=${t("no_notices")} hint=${t("no_notices_hint")} />`}<//>
    <//>`;
}

function Notice({ notice, runs, mayResend, onChange }) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const send = async () => {
    onChange(await post(`api/notices/${notice.id}/redeliver`));
    tell(t("sent_again"));
  };
  const resend = async () => {
    if (notice.state === "delivered") {
      return confirm({ title: t("send_again_title"), text: t("send_again_text", { target: notice.target }), label: t("send_again"), act: send });
    }
    setBusy(true);
    try {
      await send();
    } catch (error) {
      complain(error);
    }
    return setBusy(false);
  };
  return html`
    <li class="file">
      <div class="file-line"><${Icon} name=${notice.kind === "email" ? "mail" : "link"} />
        <div class="line-main"><span class="notice-to"><b class="wrap">${notice.target}</b> <${Badge} status=${LOOKS[notice.state]} text=${t(`notice_${notice.state}`)} /></span>
          <span class="muted">${t(`notice_${notice.kind}`)}${runs > 1 && html` · ${t("run_n", { n: notice.run })}, ${t(`status_${notice.status}`)}`} · ${notice.tries ? t("n_tries", { n: notice.tries }) : t("no_tries")} · <${Times} notice=${notice} /></span>
          ${notice.last_error && html`<span class="bad wrap">${notice.last_error}</span>`}</div>
        <div class="file-acts">
          ${notice.tries > 0 && html`<button class="button" aria-expanded=${open} onClick=${() => setOpen(!open)}>${t("tries")}</button>`}
          ${mayResend && (notice.tries > 0 || notice.state !== "pending") && html`<button class="button" disabled=${busy} onClick=${resend}><${Icon} name="retry" size="16" />${t("send_again")}</button>`}
        </div></div>
      ${open && html`<${Tries} notice=${notice} />`}
    </li>`;
}

const Times = ({ notice }) => html`${t("owed_since")} <${When} time=${notice.created_at} />${
  notice.held_until ? html` · ${t("held_until")} <${When} time=${notice.held_until} />`
    : notice.next_at && notice.tries > 0 ? html` · ${t("next_try")} <${When} time=${notice.next_at} relative />`
      : notice.ended_at && html` · ${t(notice.state === "delivered" ? "arrived" : "given_up")} <${When} time=${notice.ended_at} />`}`;

// What was answered to each try, newest first.
function Tries({ notice }) {
  const answer = useAnswer(`api/notices/${notice.id}`, {}, {});
  useEffect(() => {
    if (answer.data && answer.data.tries !== notice.tries) answer.again();
  }, [notice.tries]);
  return html`<${Answered} answer=${answer} rows="1">${(data) => html`
    <ol class="tries">${data.log.map((one) => html`
      <li key=${one.number}><${When} time=${one.at} /><b class=${one.outcome === "delivered" ? "good" : "bad"}>${t(`try_${one.outcome}`)}</b>
        <span class="wrap">${one.error || one.status}</span><span class="muted num">${duration(one.milliseconds / 1000)}</span></li>`)}</ol>`}<//>`;
}
