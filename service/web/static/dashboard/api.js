// The public API, as any client calls it. The session's cookie goes along by itself; what changes something says that it
// comes from here, which no page of another origin can.
import { signal } from "./lib.js";
import { parse, stringify } from "./exact.js";

export const loggedOut = signal(false);
export const reachable = signal(true);
const OWN = { "X-Lavori-Dashboard": "1" };

export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body?.detail || body?.title || `HTTP ${status}`);
    this.status = status;
    this.code = body?.code || "";
    this.errors = body?.errors || [];
    this.retryAfter = retryAfter;
  }
}

// An address of the API, relative to the page, so that it works below whatever a proxy puts in front.
export function address(path, query) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query || {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") words.append(name, one);
    }
  }
  const text = words.toString();
  return path.replace(/^\//, "") + (text ? `?${text}` : "");
}

export async function call(method, path, { query, body, headers, signal: abort } = {}) {
  const sent = { Accept: "application/json", ...(method === "GET" ? {} : OWN), ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path, query), {
      method, headers: sent, body: body === undefined ? undefined : stringify(body), signal: abort,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    reachable.value = false;
    throw new Problem(0, { code: "unreachable", detail: "" });
  }
  reachable.value = true;
  return answer(response.status, await response.text(), response.headers.get("Retry-After"));
}

function answer(status, text, retryAfter) {
  let body = null;
  try {
    body = text ? parse(text) : null;
  } catch {
    body = null; // a proxy's own page
  }
  if (status >= 200 && status < 300) return body;
  if (status === 401) loggedOut.value = true;
  throw new Problem(status, body, Number(retryAfter) || null);
}

export const get = (path, query, more) => call("GET", path, { query, ...more });
export const post = (path, body, more) => call("POST", path, { body, ...more });
export const patch = (path, body, more) => call("PATCH", path, { body, ...more });
export const remove = (path) => call("DELETE", path);

// fetch() does not tell how far an upload has come; XMLHttpRequest does.
export function upload(path, form, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", address(path));
    request.setRequestHeader("X-Lavori-Dashboard", "1");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded, event.total);
    request.onload = () => {
      try {
        resolve(answer(request.status, request.responseText, request.getResponseHeader("Retry-After")));
      } catch (problem) {
        reject(problem);
      }
    };
    request.onerror = () => reject(new Problem(0, { code: "unreachable", detail: "" }));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    request.send(form);
  });
  return { done, abort: () => request.abort() };
}

// Who is logged in, and what that one may do.
const ROLES = {
  viewer: ["jobs:read_all"],
  user: ["jobs:create"],
  curator: ["jobs:create", "jobs:read_all", "jobs:control_all", "definitions:write_all"],
  admin: ["jobs:create", "jobs:read_all", "jobs:control_all", "definitions:write_all", "keys", "tenant", "audit"],
};
export const me = signal(null);

export function may(permission) {
  const who = me.value;
  return Boolean(who) && (who.grants.includes(permission) || who.roles.some((role) => ROLES[role]?.includes(permission)));
}

export async function whoAmI() {
  me.value = await get("api/me");
  loggedOut.value = false;
}

export async function logIn(given) {
  await post("api/session", given);
  await whoAmI();
}

export async function logOut() {
  try {
    await remove("api/session");
  } finally {
    me.value = null;
    loggedOut.value = true;
  }
}
