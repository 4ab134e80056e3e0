// Words in the browser's language, English where we do not have it.
import { signal } from "./lib.js";
import { en } from "./i18n/en.js";
import { it } from "./i18n/it.js";

const WORDS = { en, it };
const preferred = (navigator.languages || [navigator.language]).map((tag) => tag.slice(0, 2).toLowerCase());
export const language = signal(preferred.find((tag) => WORDS[tag]) || "en");
document.documentElement.lang = language.value;

// The word, with {names} put in; of a word with `one` and `other`, the one that fits {n}.
export function t(name, values = {}) {
  const words = WORDS[language.value];
  const known = values.n === 1 && words[`${name}_one`] !== undefined ? `${name}_one` : name;
  const text = words[known] ?? en[known] ?? name;
  return text.replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ""));
}
