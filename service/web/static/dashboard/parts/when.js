import { html } from "../lib.js";
import { ago, exact, moment } from "../format.js";
import { now } from "../live.js";

// A time as one reads it; the whole of it, to the millisecond and in UTC, is its title.
export const When = ({ time, relative = false }) => time
  ? html`<time dateTime=${time} title=${exact(time)}>${relative ? ago(time, now.value) : moment(time)}</time>`
  : html`<span class="muted">–</span>`;
