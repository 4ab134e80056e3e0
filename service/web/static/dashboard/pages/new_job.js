import { html, useEffect, useRef, useState } from "../lib.js";
import { post, upload } from "../api.js";
import { stringify } from "../exact.js";
import { bytes, duration } from "../format.js";
import { t } from "../i18n.js";
import { useAnswer } from "../live.js";
import { go, params } from "../router.js";
import { ArgsForm } from "../parts/args_form.js";
import { Drop } from "../parts/drop.js";
import { JobOptions } from "../parts/job_options.js";
import { Page, Panel } from "../parts/shell.js";
import { Answered, Failure, why } from "../parts/states.js";
import { Progress } from "../parts/status.js";
import { TypePicker } from "../parts/type_picker.js";

export function NewJob() {
  const types = useAnswer("api/job-types", { limit: 1000 });
  const from = params.value.get("from");
  const model = useAnswer(from ? `api/jobs/${from}` : null, {}, { when: Boolean(from) });
  return html`
    <${Page} title=${t("new_job")} sub=${model.data && t("made_from", { number: model.data.number })}>
      ${model.error && html`<${Failure} error=${model.error} />`}
      <${Answered} answer=${types}>${(data) => (from && !model.data && !model.error ? null
        : html`<${Form} types=${data.job_types} model=${model.data} key=${params.value.get("type") || ""} />`)}<//>
    <//>`;
}

function Form({ types, model }) {
  const code = model?.type || params.value.get("type");
  const type = types.find((one) => one.code === code);
  const [args, setArgs] = useState(model?.args || {});
  const [options, setOptions] = useState(model ? copied(model) : {});
  const [file, setFile] = useState(null);
  const [fault, setFault] = useState(null);
  const [sent, setSent] = useState(null);
  const stop = useRef(() => {});
  useEffect(() => () => stop.current(), []);
  if (!type) return html`<${TypePicker} types=${types} onPick=${(one) => go(["new"], { type: one })} />`;
  const kept = model?.attachment;
  const submit = async (event) => {
    event.preventDefault();
    setFault(null);
    const body = { type: type.code, args, ...options };
    try {
      const content = file || (kept && !kept.url ? await again(model) : null);
      let job;
      if (content) {
        const form = new FormData();
        form.append("job", new Blob([stringify(body)], { type: "application/json" }));
        form.append("attachment", content, content.name);
        const began = Date.now();
        setSent({ loaded: 0, total: content.size, began });
        const sending = upload("api/jobs", form, (loaded, total) => setSent({ loaded, total, began }));
        stop.current = sending.abort;
        job = await sending.done;
      } else {
        setSent({});
        job = await post("api/jobs", kept?.url ? { ...body, attachment: { file: kept.url, name: kept.name } } : body);
      }
      stop.current = () => {};
      go(["jobs", job.id]);
    } catch (error) {
      setSent(null);
      if (error.name === "AbortError") return;
      setFault(error);
      requestAnimationFrame(() => document.querySelector("[aria-invalid=true]")?.focus());
    }
  };
  const errors = fault?.errors || [];
  const onFile = errors.find((error) => error.pointer.startsWith("#/attachment"))?.detail;
  const rest = errors.filter((error) => !/^#\/(args|attachment|description|priority|run_at|worker_tag|max_attempts|timeout_seconds)/.test(error.pointer));
  return html`
    <form class="job-form" onSubmit=${submit}>
      <${Panel} title=${type.name} actions=${!model && html`<button type="button" class="plain link" onClick=${() => go(["new"])}>${t("other_type")}</button>`}>
        <p class="muted">${type.description}</p>
        ${type.workers === 0 && html`<p class="banner" role="alert">${t("no_worker_takes_it")}</p>`}
        ${type.attachment && html`<${Drop} rule=${type.attachment} file=${file} kept=${kept} onFile=${setFile} error=${onFile} />`}
        <${ArgsForm} type=${type} args=${args} onChange=${setArgs} errors=${errors} />
        <details class="options"><summary>${t("more_options")}</summary>
          <${JobOptions} value=${options} onChange=${setOptions} errors=${errors} /></details>
        ${fault && (rest.length || !errors.length) && html`<p class="fault" role="alert">${rest.length ? rest.map((one) => `${one.pointer} ${one.detail}`).join("; ") : why(fault)}</p>`}
        ${sent?.total ? html`<${Sending} sent=${sent} onStop=${() => stop.current()} />`
          : html`<footer><button class="button primary" disabled=${Boolean(sent)}>${t("submit")}</button></footer>`}
      <//>
    </form>`;
}

function Sending({ sent, onStop }) {
  const percent = Math.floor((sent.loaded / sent.total) * 100) || 0;
  const seconds = (Date.now() - sent.began) / 1000;
  const left = sent.loaded && seconds > 1 ? (seconds / sent.loaded) * (sent.total - sent.loaded) : null;
  return html`
    <div class="sending" aria-live="polite">
      <div class="file-line"><b>${t("uploading")}</b><span class="muted num">${bytes(sent.loaded)} / ${bytes(sent.total)}${left !== null ? ` · ${duration(left)}` : ""}</span>
        <button type="button" class="button" onClick=${onStop}>${t("stop")}</button></div>
      <${Progress} percent=${percent} status="running" label=${t("uploading")} />
    </div>`;
}

// What a job that is made from another takes over.
function copied(job) {
  const names = ["description", "worker_tag", "max_attempts", "timeout_seconds", "priority"];
  const taken = Object.fromEntries(names.filter((name) => job[name] !== null).map((name) => [name, job[name]]));
  return Object.keys(job.labels).length ? { ...taken, labels: job.labels } : taken;
}

// The file of the job that this one is made from: fetched, and sent again.
async function again(job) {
  const response = await fetch(`api/jobs/${job.id}/attachment`);
  if (!response.ok) throw new Error(t("attachment_gone"));
  return new File([await response.blob()], job.attachment.name, { type: job.attachment.mime_type });
}
