// JSON without loss: a number that JavaScript would change (2^53 and more, 1.0, 1e400) keeps the text it came as.

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
// Only such texts can hold one: a long row of digits, a fraction that ends in 0, or an exponent.
const SUSPECT = /\d{16}|\.\d*0(?!\d)|\d[eE]/;
const MARK = "\\u0000"; // the API refuses NUL characters, so no text of its own begins with one

export class Exact {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}

export function parse(text) {
  if (!SUSPECT.test(text)) return JSON.parse(text);
  const marked = text.replace(TOKEN, (token) =>
    token[0] === '"' || String(Number(token)) === token ? token : `"${MARK}${token}"`);
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value[0] === "\0" ? new Exact(value.slice(1)) : value);
}

// As JSON.stringify(value, null, indent), with exact numbers as they came.
export function stringify(value, indent = 0) {
  const numbers = [];
  const text = JSON.stringify(value, (_, one) => {
    if (!(one instanceof Exact)) return one;
    numbers.push(one.text);
    return `\0${numbers.length - 1}`;
  }, indent);
  if (!numbers.length || text === undefined) return text;
  return text.replace(/"\\u0000(\d+)"/g, (_, index) => numbers[Number(index)]);
}
