import { html, useState } from "../lib.js";
import { may, post, remove } from "../api.js";
import { t } from "../i18n.js";
import { go, link } from "../router.js";
import { confirm } from "./dialog.js";
import { TERMINAL } from "./status.js";
import { complain, tell } from "./toast.js";

// What may be done to a job as it stands now.
export function JobActions({ job, onChange }) {
  const [busy, setBusy] = useState(false);
  const act = (name) => async () => {
    setBusy(true);
    try {
      await post(`api/jobs/${job.id}/${name}`);
      tell(t(`done_${name}`));
      await onChange();
    } catch (error) {
      complain(error);
    }
    setBusy(false);
  };
  const drop = () => confirm({
    title: t("delete_job_title", { number: job.number }), text: t("delete_job_text"), label: t("act_delete"), danger: true,
    act: async () => {
      await remove(`api/jobs/${job.id}`);
      tell(t("deleted"));
      go(["jobs"]);
    },
  });
  const stop = () => confirm({
    title: t("cancel_job_title", { number: job.number }), text: t("cancel_job_text"), label: t("act_cancel"), danger: true,
    act: async () => {
      await post(`api/jobs/${job.id}/cancel`);
      await onChange();
    },
  });
  const ended = TERMINAL.has(job.status);
  return html`
    ${ended && job.can_rerun && html`<button class="button primary" disabled=${busy} onClick=${act("rerun")}>${t("act_rerun")}</button>`}
    ${ended && may("jobs:create") && html`<a class="button" href=${link(["new"], { from: job.id })}>${t("edit_and_run")}</a>`}
    ${job.status === "pending" && html`<button class="button" disabled=${busy} onClick=${act("suspend")}>${t("act_suspend")}</button>`}
    ${job.status === "suspended" && html`<button class="button primary" disabled=${busy} onClick=${act("resume")}>${t("act_resume")}</button>`}
    ${!ended && html`<button class="button danger" disabled=${busy || job.cancel_requested} onClick=${stop}>${t("act_cancel")}</button>`}
    ${job.status !== "running" && html`<button class="button danger" disabled=${busy} onClick=${drop}>${t("act_delete")}</button>`}`;
}
