// The keyboard: / searches, j and k move, Enter opens, ? helps. A page says what its keys do while it is there.
import { useLayoutEffect } from "./lib.js";
import { go } from "./router.js";
import { helpShown } from "./parts/shell.js";

const page = new Map();

export function useKeys(keys) {
  useLayoutEffect(() => {
    for (const [key, act] of Object.entries(keys)) page.set(key, act);
    return () => {
      for (const [key, act] of Object.entries(keys)) if (page.get(key) === act) page.delete(key);
    };
  });
}

const PLACES = { o: [], j: ["jobs"], d: ["definitions"], w: ["workers"], a: ["admin"], n: ["new"] };
let went = 0; // when g was pressed, of which the next key says where to

const isTyping = (at) => at.closest("input, textarea, select, [contenteditable], dialog");

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape" && !event.target.closest("dialog")) event.target.blur();
      return;
    }
    const act = chosen(event);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function chosen(event) {
  if (Date.now() - went < 1_000 && PLACES[event.key]) {
    went = 0;
    return () => go(PLACES[event.key]);
  }
  if (event.key === "g") return () => (went = Date.now());
  if (event.key === "?") return () => (helpShown.value = true);
  if (event.key === "/" && !page.has("/")) return () => go(["jobs"], { find: "1" });
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return null; // it does its own
  return page.get(event.key);
}
