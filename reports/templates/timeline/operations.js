// The timeline of a report, first part: the operations that the page carries, decoded; their labels; which of
// them are shown.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId('timeline-data').textContent);
const root = byId('timeline-root');
const canvas = byId('timeline-canvas');
const overview = byId('timeline-overview');
const tip = byId('timeline-tip');

const CLASSES = ['ok', 'no match', 'fail', 'info'];
const LANE = 20;
const LEFT = 64;
const HEAD = 58;
const MOST_LANES = 40;
const MOST_ROWS = 200;
const SHORTEST = data.tick_ms * 20;
const DIGITS = data.tick_ms < 0.001 ? 6 : 3;

// ---- the operations, as reports/src/interactive/pack.rs packs them ----
const count = data.packed.count;
const index = new Uint32Array(count);
const process = new Uint32Array(count);
const kind = new Uint8Array(count);
const cls = new Uint8Array(count);
const from = new Float64Array(count);
const to = new Float64Array(count); // Infinity where it never ended
const node = new Int32Array(count);
const point = new Float64Array(count); // NaN where there is none
const turn = new Uint32Array(count); // its place in the order of its key, from 1
const values = new Array(count); // [key, arguments…, answer or error]
// By kind: how many arguments it has.
const ARGUMENTS = data.labels[0].called.map((form) => form.split('{}').length - 1);

(function decode() {
  const bytes = Uint8Array.from(atob(data.packed.base64), (letter) => letter.charCodeAt(0));
  let at = 0;
  const number = () => {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  };
  const value = () => {
    const code = number();
    if (code === 0) return null;
    if (code % 2 === 0) return data.packed.texts[code / 2 - 1];
    const zigzag = (code - 1) / 2;
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  };
  let last = 0;
  let ticks = 0;
  for (let i = 0; i < count; i++) {
    last += number();
    index[i] = last;
    process[i] = data.packed.processes[number()];
    const code = number();
    kind[i] = code >> 2;
    cls[i] = code & 3;
    ticks += number();
    from[i] = ticks * data.tick_ms;
    const took = number();
    to[i] = took === 0 ? Infinity : (ticks + took - 1) * data.tick_ms;
    node[i] = number() - 1;
    const all = [value()];
    for (let k = ARGUMENTS[kind[i]]; k > 0; k--) all.push(value());
    all.push(cls[i] >= 2 ? data.packed.errors[number()] : value());
    values[i] = all;
    const after = number();
    point[i] = after === 0 ? NaN : (ticks + after - 1) * data.tick_ms;
    turn[i] = after === 0 ? 0 : number();
  }
})();

// The longest operation that ended: how far back a search must look.
let longest = 0;
const unending = [];
for (let i = 0; i < count; i++) {
  if (to[i] === Infinity) unending.push(i);
  else longest = Math.max(longest, to[i] - from[i]);
}
const lower = (array, wanted) => {
  let low = 0;
  let high = array.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (array[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
};
const place = (number) => {
  const i = lower(index, number);
  return i < count && index[i] === number ? i : -1;
};

// ---- words ----
const text = (value) => (value === null ? '' : String(value));
const keyName = (i) => text(values[i][0]);
// Puts the values in place of the {} of a form, in order.
const fill = (form, ...values) => form.split('{}').reduce((done, piece, k) => done + text(values[k - 1]) + piece);
function label(i, short) {
  const form = data.labels[short ? 1 : 0];
  const [, ...rest] = values[i];
  const answer = rest.pop();
  const called = fill(form.called[kind[i]], ...rest);
  if (cls[i] === 2) return fill(form.failed, called);
  if (cls[i] === 1) return answer === null ? fill(form.refused, called) : fill(form.refused_with, called, answer);
  return cls[i] === 3 || answer === null ? called : fill(form.answered, called, answer);
}
const error = (i) => (cls[i] >= 2 ? values[i][values[i].length - 1] : '');
const ms = (value) => value.toFixed(DIGITS);
const nodeName = (i) => (node[i] < 0 ? '' : data.nodes[node[i]] || `node ${node[i]}`);
const grouped = (number) => number.toLocaleString('en-US');
const took = (i) => (to[i] === Infinity ? 'never ended' : `${ms(to[i] - from[i])} ms`);

// ---- what is shown ----
const view = { from: 0, to: data.end_ms };
const filter = { key: '', process: '', classes: [true, true, true, true] };
let selected = -1;
let conflictShown = -1;
let conflictPicked = -1;
let ranges = null;
const roles = new Map(); // operation number → {number, conflict}
data.conflicts.forEach((conflict, number) => {
  for (const [operation, mark] of conflict.operations) roles.set(operation, { number: mark, conflict: number });
  for (const operation of conflict.links) {
    if (!roles.has(operation)) roles.set(operation, { number: 0, conflict: number });
  }
});

function parseProcesses(words) {
  const found = [];
  for (const part of words.split(',')) {
    const match = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part);
    if (match) found.push([Number(match[1]), Number(match[2] ?? match[1])]);
  }
  return found.length > 0 ? found : null;
}
// Whether an operation touches a key: its own, with or without quotation marks, or one of a transaction's
// steps.
const VERBS = ['read', 'write', 'append', 'version'];
function touches(i, key) {
  const own = keyName(i);
  if (own === key || own === JSON.stringify(key)) return true;
  if (data.kinds[kind[i]] !== 'txn') return false;
  const words = text(values[i][1]).split(/[(), ]+/);
  return words.some((word, k) => VERBS.includes(words[k - 1]) && word.split('→')[0] === key);
}
const passes = (i) =>
  filter.classes[cls[i]] &&
  (filter.key === '' || touches(i, filter.key)) &&
  (ranges === null || ranges.some(([low, high]) => process[i] >= low && process[i] <= high));

// Those that run in [a, b] and pass the filter.
function inView(a, b) {
  const found = [];
  for (const i of unending) if (from[i] < a - longest && passes(i)) found.push(i);
  for (let i = lower(from, a - longest); i < count && from[i] <= b; i++) {
    if (to[i] >= a && passes(i)) found.push(i);
  }
  return found;
}
