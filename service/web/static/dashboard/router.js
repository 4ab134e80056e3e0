// Where we are: the part of the address behind the #, so that all state is in it and the server knows one page alone.
import { signal, computed } from "./lib.js";

const read = () => location.hash.replace(/^#\/?/, "");
const here = signal(read());
window.addEventListener("hashchange", () => (here.value = read()));

export const path = computed(() => here.value.split("?")[0].split("/").filter(Boolean).map(decodeURIComponent));
export const params = computed(() => new URLSearchParams(here.value.split("?")[1] || ""));

// Where we are as one text, for a login that leads back here; one that is too long to be kept begins anew.
export const place = () => (here.value.length < 1000 ? `/${here.value}` : "/");

export function link(parts, query) {
  const words = new URLSearchParams();
  for (const [name, value] of query instanceof URLSearchParams ? query : Object.entries(query || {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== "" && one !== null && one !== undefined) words.append(name, one);
    }
  }
  const text = words.toString();
  return `#/${[parts].flat().map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export function go(parts, query, { replace = false } = {}) {
  const to = link(parts, query);
  if (replace) {
    history.replaceState(null, "", to);
    here.value = read();
  } else {
    location.hash = to;
  }
}
