import { html, useState } from "../lib.js";
import { may, me, patch, post } from "../api.js";
import { t } from "../i18n.js";
import { go } from "../router.js";
import { Icon } from "./icon.js";
import { complain, tell } from "./toast.js";

export const writes = (one) => may("definitions:write_all") || (may("jobs:create") && one.created_by === me.value.principal);

export function DefinitionActions({ one, onChange }) {
  const [busy, setBusy] = useState(false);
  const doing = (act) => async () => {
    setBusy(true);
    try {
      await act();
    } catch (error) {
      complain(error);
    }
    setBusy(false);
  };
  const run = doing(async () => {
    const job = await post(`api/job-definitions/${one.code}/execute`, {});
    go(["jobs", job.id]);
  });
  const flip = doing(async () => {
    await patch(`api/job-definitions/${one.code}`, { schedule: { enabled: !one.schedule.enabled } });
    tell(t(one.schedule.enabled ? "paused" : "resumed"));
    onChange();
  });
  return html`
    ${one.schedule && writes(one) && html`<button class="button" disabled=${busy} onClick=${flip}>
      <${Icon} name=${one.schedule.enabled ? "pause" : "play"} size="16" />${t(one.schedule.enabled ? "pause" : "go_on")}</button>`}
    ${may("jobs:create") && html`<button class="button" disabled=${busy} onClick=${run}><${Icon} name="play" size="16" />${t("run_now")}</button>`}`;
}
