// The timeline of a report: decodes the operations that the page carries, draws them on a canvas and answers to mouse,
// keyboard and address. Plain script, no dependency; it never makes markup out of data (only textContent).
'use strict';
(() => {
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
  const turn = new Uint32Array(count); // in the order of those with a point, from 1
  const values = new Array(count); // [key, arguments…, answer or error]
  const ARGUMENTS = { write: 1, append: 1, add: 1, enqueue: 1, cas: 2, watch: 1, txn: 1 };

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
      for (let k = ARGUMENTS[data.kinds[kind[i]]] || 0; k > 0; k--) all.push(value());
      all.push(cls[i] >= 2 ? data.packed.errors[number()] : value());
      values[i] = all;
      const after = number();
      point[i] = after === 0 ? NaN : (ticks + after - 1) * data.tick_ms;
      turn[i] = after === 0 ? 0 : number();
    }
  })();

  // The longest one that ended: how far back a search must look.
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
  function label(i, short) {
    const name = data.kinds[kind[i]];
    const [, ...rest] = values[i];
    const answer = cls[i] < 2 ? rest[rest.length - 1] : null;
    let asked = name;
    if (name === 'read') asked = short ? 'r' : 'read';
    else if (name === 'write') asked = `${short ? 'w' : 'write'} ${text(rest[0])}`;
    else if (name === 'cas') asked = `cas ${text(rest[0])}→${text(rest[1])}`;
    else if (name === 'watch') asked = `watch from ${text(rest[0])}`;
    else if (name === 'txn') asked = text(rest[0]);
    else if (ARGUMENTS[name]) asked = `${name} ${text(rest[0])}`;
    if (cls[i] === 1) return answer === null ? `${asked} ✗` : `${asked} ✗ ${short ? '' : 'found '}${answer}`;
    if (cls[i] === 2) return `${asked} failed`;
    return answer === null ? asked : `${asked} → ${answer}`;
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
    for (const operation of conflict.links) if (!roles.has(operation)) roles.set(operation, { number: 0, conflict: number });
  });

  function parseProcesses(words) {
    const found = [];
    for (const part of words.split(',')) {
      const match = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part);
      if (match) found.push([Number(match[1]), Number(match[2] ?? match[1])]);
    }
    return found.length > 0 ? found : null;
  }
  // Whether an operation touches a key: its own, with or without quotation marks, or one of a transaction's steps.
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

  // ---- drawing ----
  let colours = {};
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    colours = {
      ink: of('--ink'), soft: of('--soft'), rule: of('--rule'), page: of('--page'), panel: of('--panel'),
      hot: of('--hot'), hotInk: of('--hot-ink'), link: of('--link'), before: of('--before'), near: of('--near-ink'),
      valid: of('--valid'),
      classes: [of('--op-ok'), of('--op-mismatch'), of('--op-fail'), of('--op-info')],
    };
  }
  function prepare(element, height) {
    const ratio = window.devicePixelRatio || 1;
    const width = element.parentElement.clientWidth;
    if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
      element.width = Math.round(width * ratio);
      element.height = Math.round(height * ratio);
      element.style.width = `${width}px`;
      element.style.height = `${height}px`;
    }
    const c = element.getContext('2d');
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    c.font = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
    c.textBaseline = 'middle';
    return [c, width];
  }

  function drawOverview() {
    const height = 64;
    const [c, width] = prepare(overview, height);
    const x = (t) => (t / data.end_ms) * width;
    for (const fault of data.faults) {
      c.globalAlpha = 0.25;
      c.fillStyle = fault.colour;
      c.fillRect(x(fault.from_ms), 0, Math.max(1, x(fault.to_ms) - x(fault.from_ms)), height);
    }
    c.globalAlpha = 1;
    const s = data.slices;
    const rows = [s.ok, s.mismatch, s.fail, s.info];
    let most = 1;
    for (let k = 0; k < s.ok.length; k++) most = Math.max(most, rows.reduce((sum, row) => sum + row[k], 0));
    for (let k = 0; k < s.ok.length; k++) {
      let y = height;
      const left = x(k * s.length_ms);
      const right = x((k + 1) * s.length_ms);
      rows.forEach((row, n) => {
        if (row[k] === 0) return;
        const high = Math.max(n >= 2 ? 1.5 : 0, (row[k] / most) * (height - 10));
        c.fillStyle = colours.classes[n];
        c.fillRect(left, y - high, Math.max(0.5, right - left + 0.3), high);
        y -= high;
      });
    }
    // What is not here one by one.
    c.fillStyle = colours.soft;
    let gap = 0;
    for (const [a, b] of [...data.whole, [data.end_ms, data.end_ms]]) {
      if (a > gap) c.fillRect(x(gap), height - 2, x(a) - x(gap), 2);
      gap = b;
    }
    c.fillStyle = colours.hot;
    for (const conflict of data.conflicts) {
      for (const [operation] of conflict.operations) {
        const i = place(operation);
        if (i >= 0) c.fillRect(x(from[i]) - 1, 0, 2, 7);
      }
    }
    c.strokeStyle = colours.ink;
    c.lineWidth = 1.5;
    c.strokeRect(x(view.from) + 0.75, 0.75, Math.max(2, x(view.to) - x(view.from) - 1.5), height - 1.5);
  }

  let shown = [];
  let lanes = [];
  let laneOf = new Map();
  let hiddenLanes = 0;
  let width = 0;
  const xOf = (t) => LEFT + ((t - view.from) / (view.to - view.from)) * (width - LEFT - 8);
  const tOf = (x) => view.from + ((x - LEFT) / (width - LEFT - 8)) * (view.to - view.from);
  const yOf = (lane) => HEAD + lane * LANE;

  // The role of an operation in the conflict that is shown; in any of them while none is.
  function roleOf(i) {
    const role = roles.get(index[i]);
    return role && (conflictShown < 0 || role.conflict === conflictShown) ? role : undefined;
  }
  // Whether the conflict that is shown is about something else.
  const isAside = (i) =>
    conflictShown >= 0 && data.per_key && keyName(i) !== data.conflicts[conflictShown].key && i !== selected;

  function layOut() {
    shown = inView(view.from, view.to);
    const first = new Map();
    for (const i of shown) {
      const role = roleOf(i);
      const rank = role && role.number > 0 ? from[i] : Infinity;
      first.set(process[i], Math.min(rank, first.get(process[i]) ?? Infinity));
    }
    const all = [...first.keys()].sort((a, b) => first.get(a) - first.get(b) || a - b);
    // The chosen operation is never hidden.
    if (selected >= 0 && all.indexOf(process[selected]) >= MOST_LANES) {
      all.splice(all.indexOf(process[selected]), 1);
      all.unshift(process[selected]);
    }
    lanes = all.slice(0, MOST_LANES);
    hiddenLanes = all.length - lanes.length;
    laneOf = new Map(lanes.map((p, lane) => [p, lane]));
  }

  function ticks(c, top, bottom) {
    const span = view.to - view.from;
    const raw = span / Math.max(3, (width - LEFT) / 110);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const inSeconds = span > 5000;
    c.textAlign = 'center';
    for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
      const x = xOf(t);
      c.strokeStyle = colours.rule;
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(x, top);
      c.lineTo(x, bottom);
      c.stroke();
      c.fillStyle = colours.soft;
      c.fillText(inSeconds ? `${(t / 1000).toFixed(Math.max(0, digits - 3 < 0 ? (step < 1000 ? 1 : 0) : digits - 3))} s` : `${t.toFixed(digits)} ms`, x, top - 8);
    }
  }

  function drawHead(c, bottom) {
    // Faults as bands, with their names on top.
    for (const fault of data.faults) {
      if (fault.to_ms < view.from || fault.from_ms > view.to) continue;
      const a = Math.max(LEFT, xOf(fault.from_ms));
      const b = Math.min(width, xOf(fault.to_ms));
      c.globalAlpha = fault.hold === 'verified' ? 0.2 : 0.08;
      c.fillStyle = fault.colour;
      c.fillRect(a, 0, Math.max(1, b - a), bottom);
      c.globalAlpha = 1;
      if (b - a > 50) {
        c.save();
        c.beginPath();
        c.rect(a, 0, b - a, 18);
        c.clip();
        c.fillStyle = colours.ink;
        c.textAlign = 'left';
        c.fillText(fitting(c, fault.name, b - a - 8), a + 4, 9);
        c.restore();
      }
    }
    // Who led, in which term.
    data.leaders.forEach((leader, k) => {
      const end = k + 1 < data.leaders.length ? data.leaders[k + 1].at_ms : data.end_ms;
      if (end < view.from || leader.at_ms > view.to) return;
      const a = Math.max(LEFT, xOf(leader.at_ms));
      const b = Math.min(width, xOf(end));
      c.globalAlpha = k % 2 === 0 ? 0.16 : 0.32;
      c.fillStyle = colours.near;
      c.fillRect(a, 20, Math.max(1, b - a), 16);
      c.globalAlpha = 1;
      const words = leader.term === null ? leader.node : `${leader.node}, term ${leader.term}`;
      if (b - a > c.measureText(words).width + 8) {
        c.fillStyle = colours.ink;
        c.textAlign = 'left';
        c.fillText(words, a + 4, 28);
      }
    });
    c.fillStyle = colours.soft;
    c.textAlign = 'right';
    c.fillText('faults', LEFT - 8, 9);
    c.fillText('leader', LEFT - 8, 28);
  }

  // What is too long ends in dots, so that nobody takes it for the whole.
  function fitting(c, text, room) {
    if (c.measureText(text).width <= room) return text;
    let length = text.length;
    while (length > 0 && c.measureText(`${text.slice(0, length)}…`).width > room) length--;
    return length === 0 ? '' : `${text.slice(0, length)}…`;
  }

  function drawGaps(c, top, bottom) {
    let gap = 0;
    for (const [a, b] of [...data.whole, [data.end_ms, data.end_ms]]) {
      if (a > gap && a > view.from && gap < view.to) {
        const left = Math.max(LEFT, xOf(gap));
        const right = Math.min(width, xOf(a));
        c.globalAlpha = 0.8;
        c.fillStyle = colours.rule;
        c.fillRect(left, top, right - left, bottom - top);
        c.globalAlpha = 1;
        const words = right - left > 240 ? 'operations are left out here: zoom and filter show what is here' : 'left out';
        if (right - left > c.measureText(words).width + 10) {
          c.fillStyle = colours.soft;
          c.textAlign = 'center';
          c.fillText(words, (left + right) / 2, bottom - 9);
        }
      }
      gap = b;
    }
  }

  function barOf(i) {
    const a = xOf(from[i]);
    const end = to[i] === Infinity ? view.to : to[i];
    return [a, Math.max(a + 1.5, xOf(end))];
  }

  function drawBars(c) {
    // Where many fall on one pixel, one of each class is enough.
    const drawnTo = lanes.map(() => [-1, -1, -1, -1]);
    const labelled = [];
    for (const i of shown) {
      const lane = laneOf.get(process[i]);
      if (lane === undefined) continue;
      const [a, b] = barOf(i);
      const role = roleOf(i);
      if (b <= drawnTo[lane][cls[i]] && role === undefined && i !== selected) continue;
      drawnTo[lane][cls[i]] = Math.floor(b);
      const y = yOf(lane) + 3;
      const left = Math.max(a, LEFT);
      const right = Math.min(b, width);
      if (right < left) continue;
      const colour = role ? (role.number > 0 ? colours.hot : colours.link) : colours.classes[cls[i]];
      if (cls[i] === 3) {
        const fade = c.createLinearGradient(left, 0, Math.max(right, left + 1), 0);
        fade.addColorStop(0, colour);
        fade.addColorStop(1, 'transparent');
        c.fillStyle = fade;
      } else {
        c.fillStyle = colour;
      }
      c.globalAlpha = isAside(i) ? 0.22 : cls[i] === 2 && !role ? 0.6 : 1;
      c.fillRect(left, y, Math.max(1, right - left), LANE - 7);
      c.globalAlpha = 1;
      if (b - a > 3) {
        c.fillStyle = colours.page;
        c.fillRect(left, y, 1, LANE - 7);
      }
      if (i === selected) {
        c.strokeStyle = colours.ink;
        c.lineWidth = 2;
        c.strokeRect(left - 1, y - 1, right - left + 2, LANE - 5);
      }
      if (role !== undefined || i === selected || (b - a > 26 && !isAside(i))) labelled.push([i, left, right, lane, role]);
      if (!Number.isNaN(point[i]) && b - a > 6 && !isAside(i)) {
        const x = xOf(point[i]);
        c.fillStyle = colours.ink;
        c.beginPath();
        c.arc(x, y + (LANE - 7) / 2, 2.6, 0, 7);
        c.fill();
        c.strokeStyle = colours.page;
        c.lineWidth = 1;
        c.stroke();
      }
    }
    const free = lanes.map(() => 0);
    for (const [i, left, right, lane, role] of labelled) {
      const mark = role && role.number > 0 ? `(${role.number}) ` : '';
      const words = mark + label(i, !role && i !== selected);
      const room = right - left - 6;
      const wide = c.measureText(words).width;
      c.textAlign = 'left';
      const y = yOf(lane) + LANE / 2;
      if (wide <= room) {
        c.fillStyle = inkOn(role ? 'role' : cls[i]);
        c.fillText(words, left + 4, y);
      } else if ((role && role.number > 0) || i === selected) {
        // Beside it, over whatever stands there.
        const x = Math.max(right + 4, free[lane]);
        if (x + wide < width) {
          c.fillStyle = colours.page;
          c.globalAlpha = 0.8;
          c.fillRect(x - 2, y - 8, wide + 4, 16);
          c.globalAlpha = 1;
          c.fillStyle = role ? colours.hotInk : colours.ink;
          c.fillText(words, x, y);
          free[lane] = x + wide + 8;
        }
      }
    }
  }
  const isDark = () => window.matchMedia('(prefers-color-scheme: dark)').matches && !window.matchMedia('print').matches;
  // Letters on a bar.
  const inkOn = (what) => (what === 'role' || what === 0 || what === 3 ? (isDark() && what !== 'role' ? '#0d1117' : '#ffffff') : '#1f2328');

  function drawArrows(c) {
    data.conflicts.forEach((conflict, number) => {
      if (conflictShown >= 0 && number !== conflictShown) return;
      for (const [before, after, meaning] of conflict.arrows) {
        const [i, k] = [place(before), place(after)];
        if (i < 0 || k < 0) continue;
        const [one, two] = [laneOf.get(process[i]), laneOf.get(process[k])];
        if (one === undefined || two === undefined) continue;
        const [a1, b1] = barOf(i);
        const [a2] = barOf(k);
        const start = [meaning === 'before' ? b1 : a1, yOf(one) + LANE / 2];
        const end = [a2 - 2, yOf(two) + LANE / 2];
        if (Math.max(start[0], end[0]) < LEFT || Math.min(start[0], end[0]) > width) continue;
        c.strokeStyle = meaning === 'before' ? colours.before : colours.link;
        c.fillStyle = c.strokeStyle;
        c.lineWidth = 2;
        c.setLineDash(meaning === 'before' ? [] : [5, 3]);
        const bend = Math.min(90, Math.max(14, Math.abs(end[0] - start[0]) / 2));
        c.beginPath();
        c.moveTo(...start);
        c.bezierCurveTo(start[0] + bend, start[1], end[0] - bend, end[1], ...end);
        c.stroke();
        c.setLineDash([]);
        c.beginPath();
        c.moveTo(end[0] + 1, end[1]);
        c.lineTo(end[0] - 8, end[1] - 4.5);
        c.lineTo(end[0] - 8, end[1] + 4.5);
        c.fill();
      }
    });
  }

  function draw() {
    layOut();
    const height = HEAD + Math.max(1, lanes.length) * LANE + 22;
    const [c, wide] = prepare(canvas, height);
    width = wide;
    drawHead(c, height);
    ticks(c, HEAD - 2, height - 20);
    c.save();
    c.beginPath();
    c.rect(LEFT, HEAD - 4, width - LEFT, height - HEAD + 4);
    c.clip();
    drawGaps(c, HEAD - 2, height);
    drawBars(c);
    drawArrows(c);
    c.restore();
    c.textAlign = 'right';
    lanes.forEach((p, lane) => {
      c.fillStyle = colours.soft;
      c.fillText(`${p}`, LEFT - 8, yOf(lane) + LANE / 2);
    });
    if (lanes.length === 0) {
      c.textAlign = 'center';
      c.fillStyle = colours.soft;
      c.fillText('no operation of this page fits the filter here', (LEFT + width) / 2, HEAD + 10);
    }
    drawOverview();
    describe();
  }

  function counted() {
    // All operations that ended in view, whether they are on this page or not.
    const s = data.slices;
    let sum = 0;
    const last = Math.min(s.ok.length - 1, Math.floor(view.to / s.length_ms));
    for (let k = Math.max(0, Math.floor(view.from / s.length_ms)); k <= last; k++) sum += s.ok[k] + s.mismatch[k] + s.fail[k] + s.info[k];
    return sum;
  }
  const isWhole = (a, b) => data.whole.some(([x, y]) => x <= a + 0.001 && y >= b - 0.001);

  function describe() {
    const unfiltered = filter.key === '' && ranges === null && filter.classes.every(Boolean);
    const missing = isWhole(view.from, Math.min(view.to, data.end_ms))
      ? ''
      : unfiltered
        ? `, of some ${grouped(counted())} that the run had then`
        : ' on this page, which leaves operations out here, so that the run may have had more,';
    const inSome = unfiltered ? '' : ' that fit the filter';
    const more = hiddenLanes > 0 ? `; ${grouped(hiddenLanes)} more processes below: zoom in or filter` : '';
    const processes = lanes.length + hiddenLanes;
    const span = view.to - view.from;
    const when = (t) => (span < 1000 ? `${t.toFixed(DIGITS)} ms` : `${(t / 1000).toFixed(3)} s`);
    byId('timeline-status').textContent =
      `${grouped(shown.length)} operation${shown.length === 1 ? '' : 's'}${inSome}${missing} of ${processes} process${processes === 1 ? '' : 'es'} from ${when(view.from)} to ${when(view.to)}${more}`;
    root.dataset.shown = shown.length;
    root.dataset.from = view.from;
    root.dataset.to = view.to;
    root.dataset.selected = selected < 0 ? '' : index[selected];
    if (byId('timeline-list-box').open) list();
  }

  function cell(row, words, className) {
    const td = document.createElement('td');
    td.textContent = words;
    if (className) td.className = className;
    row.append(td);
    return td;
  }

  function list() {
    const body = byId('timeline-list');
    body.replaceChildren();
    const sorted = [...shown].sort((a, b) => a - b);
    for (const i of sorted.slice(0, MOST_ROWS)) {
      const row = document.createElement('tr');
      const link = document.createElement('a');
      link.href = `#op=${index[i]}`;
      link.textContent = index[i];
      cell(row, '', 'number').append(link);
      cell(row, process[i], 'number');
      cell(row, nodeName(i));
      cell(row, keyName(i));
      cell(row, label(i, false));
      cell(row, cls[i] >= 2 ? `${CLASSES[cls[i]]}: ${error(i)}` : CLASSES[cls[i]]);
      cell(row, ms(from[i]), 'number');
      cell(row, to[i] === Infinity ? '–' : ms(to[i] - from[i]), 'number');
      body.append(row);
    }
    byId('timeline-list-note').textContent = sorted.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${grouped(sorted.length)}; zoom in for the others.` : '';
  }

  // ---- one operation ----
  function detail() {
    const box = byId('timeline-detail');
    box.replaceChildren();
    const add = (list, name, words) => {
      const dt = document.createElement('dt');
      dt.textContent = name;
      const dd = document.createElement('dd');
      dd.textContent = words;
      list.append(dt, dd);
      return dd;
    };
    if (selected < 0) {
      const p = document.createElement('p');
      p.className = 'note';
      p.textContent = 'None chosen.';
      box.append(p);
    } else {
      const i = selected;
      const list = document.createElement('dl');
      list.className = 'plan';
      const link = document.createElement('a');
      link.href = `#op=${index[i]}`;
      link.textContent = `number ${index[i]} of the history`;
      add(list, 'operation', `${label(i, false)}, `).append(link);
      if (keyName(i) !== '') add(list, 'key', keyName(i));
      add(list, 'outcome', cls[i] >= 2 ? `${CLASSES[cls[i]]}: ${error(i)}` : CLASSES[cls[i]]);
      add(list, 'process', nodeName(i) === '' ? process[i] : `${process[i]}, sent to ${nodeName(i)}`);
      const ended = cls[i] === 3 ? 'the client gave up' : 'completed';
      add(list, 'time', `invoked at ${ms(from[i])} ms, ${to[i] === Infinity ? 'never ended' : `${ended} at ${ms(to[i])} ms, after ${took(i)}`}`);
      if (!Number.isNaN(point[i])) add(list, 'linearization point', `can have taken effect at ${ms(point[i])} ms, as number ${grouped(turn[i])} in an order that explains every answer${data.per_key ? ' of its key' : ''}`);
      const during = data.faults.filter((fault) => fault.from_ms <= (to[i] === Infinity ? data.end_ms : to[i]) && fault.to_ms >= from[i]);
      if (during.length > 0) add(list, 'faults then', during.map((fault) => fault.detail === '' ? fault.name : `${fault.name}: ${fault.detail}`).join('; '));
      const leader = data.leaders.filter((one) => one.at_ms <= from[i]).pop();
      if (leader) add(list, 'last leader seen', leader.term === null ? leader.node : `${leader.node} in term ${leader.term}`);
      const role = roles.get(index[i]);
      if (role) add(list, 'conflict', data.conflicts[role.conflict].sentences.join(' '));
      box.append(list);
    }
    logs();
  }

  // ---- logs ----
  let logsAt = null; // chosen by the reader; otherwise those around the operation
  function logs() {
    const box = byId('timeline-logs');
    box.replaceChildren();
    const note = (words) => {
      const p = document.createElement('p');
      p.className = 'note';
      p.textContent = words;
      box.append(p);
    };
    if (!data.logs) return note('There are no logs that could be put beside this history.');
    const lines = data.logs.lines;
    const middle = logsAt ?? (selected >= 0 ? from[selected] : (view.from + view.to) / 2);
    const ats = lines.map((line) => line.at_ms);
    const at = lower(ats, middle);
    const first = Math.max(0, at - 12);
    const last = Math.min(lines.length, at + 18);
    note(`Around ${(middle / 1000).toFixed(3)} s, by the nodes’ own clocks${data.logs.left_out > 0 ? `; ${grouped(data.logs.left_out)} lines of the run are not on this page` : ''}:`);
    const step = (words, where) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = words;
      button.addEventListener('click', () => {
        logsAt = where;
        logs();
      });
      return button;
    };
    if (first > 0) box.append(step('earlier', ats[first - 1]));
    let nearest = null;
    const ul = document.createElement('ul');
    ul.className = 'loglines';
    for (let k = first; k < last; k++) {
      const line = lines[k];
      if (line.left_out > 0 && k > first) {
        const gap = document.createElement('li');
        gap.className = 'note';
        gap.textContent = `… ${grouped(line.left_out)} lines left out …`;
        ul.append(gap);
      }
      const li = document.createElement('li');
      const jump = document.createElement('button');
      jump.type = 'button';
      jump.className = 'time';
      jump.textContent = `${(line.at_ms / 1000).toFixed(3)} s`;
      jump.title = 'show this time above';
      jump.addEventListener('click', () => show(line.at_ms - 50, line.at_ms + 50));
      const who = document.createElement('b');
      who.textContent = ` ${data.nodes[line.node]} `;
      const words = document.createElement('span');
      words.textContent = line.text;
      if (selected >= 0 && line.at_ms >= from[selected] && line.at_ms <= to[selected]) li.className = 'during';
      li.append(jump, who, words);
      ul.append(li);
      if (k === Math.min(at, last - 1)) nearest = li;
    }
    box.append(ul);
    if (nearest !== null) ul.scrollTop = nearest.offsetTop - ul.offsetTop - 80;
    if (last < lines.length) box.append(step('later', ats[last]));
  }

  // ---- moving ----
  let pending = false;
  function redraw() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw();
    });
  }
  function show(a, b) {
    const span = Math.min(Math.max(b - a, SHORTEST), data.end_ms);
    const start = Math.min(Math.max(0, a), data.end_ms - span);
    view.from = start;
    view.to = start + span;
    remember();
    redraw();
  }
  function zoom(factor, centre) {
    const at = centre ?? (selected >= 0 && from[selected] >= view.from && from[selected] <= view.to ? from[selected] : (view.from + view.to) / 2);
    show(at - (at - view.from) * factor, at + (view.to - at) * factor);
  }
  function pan(share) {
    const by = (view.to - view.from) * share;
    show(view.from + by, view.to + by);
  }
  function select(i, zoomTo) {
    selected = i;
    logsAt = null;
    if (i >= 0) {
      const role = roles.get(index[i]);
      conflictShown = role ? role.conflict : -1;
      const end = to[i] === Infinity ? from[i] : to[i];
      if (zoomTo || from[i] < view.from || from[i] > view.to) {
        const around = Math.max(Math.min(2, data.end_ms / 20), (end - from[i]) * 2);
        show(from[i] - around, end + around);
      }
    } else {
      conflictShown = -1;
    }
    detail();
    remember();
    redraw();
  }
  function showConflict(number) {
    if (data.conflicts.length === 0) return;
    conflictShown = number % data.conflicts.length;
    const conflict = data.conflicts[conflictShown];
    const operations = conflict.operations.map(([operation]) => place(operation)).filter((i) => i >= 0);
    if (operations.length === 0) return;
    const a = Math.min(...operations.map((i) => from[i]));
    const b = Math.max(...operations.map((i) => (to[i] === Infinity ? from[i] : to[i])));
    const margin = Math.max(Math.min(1, data.end_ms / 40), (b - a) * 0.15);
    selected = operations[0];
    logsAt = null;
    show(a - margin, b + margin);
    detail();
    remember();
  }
  function nextFault() {
    const middle = (view.from + view.to) / 2;
    const fault = data.faults.find((one) => (one.from_ms + one.to_ms) / 2 > middle + 0.001) ?? data.faults[0];
    if (!fault) return;
    const margin = Math.max(5, (fault.to_ms - fault.from_ms) * 0.2);
    const centre = (fault.from_ms + fault.to_ms) / 2;
    const half = (fault.to_ms - fault.from_ms) / 2 + margin;
    show(centre - half, centre + half);
  }
  function neighbour(step) {
    const order = [...shown].sort((a, b) => a - b);
    if (order.length === 0) return;
    if (selected < 0) return select(order[step > 0 ? 0 : order.length - 1]);
    let i = selected + step;
    while (i >= 0 && i < count && !passes(i)) i += step;
    if (i >= 0 && i < count) select(i);
  }

  // ---- the address ----
  let own = '';
  let timer = 0;
  function remember() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const parts = [];
      if (selected >= 0) parts.push(`op=${index[selected]}`);
      if (view.from > 0 || view.to < data.end_ms) parts.push(`t=${view.from.toFixed(DIGITS)}-${view.to.toFixed(DIGITS)}`);
      if (filter.key !== '') parts.push(`key=${encodeURIComponent(filter.key)}`);
      if (filter.process !== '') parts.push(`process=${encodeURIComponent(filter.process)}`);
      own = parts.length > 0 ? `#${parts.join('&')}` : '';
      if (location.hash !== own) history.replaceState(null, '', own === '' ? location.pathname + location.search : own);
    }, 150);
  }
  function follow() {
    const wanted = new Map(location.hash.slice(1).split('&').map((part) => {
      const equals = part.indexOf('=');
      try {
        return [part.slice(0, equals), decodeURIComponent(part.slice(equals + 1))];
      } catch {
        return ['', ''];
      }
    }));
    if (wanted.has('key') || wanted.has('process')) {
      byId('timeline-key').value = wanted.get('key') ?? '';
      byId('timeline-process').value = wanted.get('process') ?? '';
      readFilter();
    }
    const stretch = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(wanted.get('t') ?? '');
    if (stretch) show(Number(stretch[1]), Number(stretch[2]));
    if (/^\d+$/.test(wanted.get('op') ?? '')) return goTo(Number(wanted.get('op')), !stretch);
    return stretch !== null;
  }
  function goTo(number, zoomTo) {
    const i = place(number);
    if (i >= 0) {
      select(i, zoomTo);
      return true;
    }
    select(-1);
    const p = byId('timeline-detail').firstChild;
    p.textContent = number < data.total
      ? `Operation ${number} is not on this page, which holds ${grouped(count)} of ${grouped(data.total)}; it is in history.jsonl.`
      : `There is no operation ${number}; the last one is ${data.total - 1}.`;
    return false;
  }

  function readFilter() {
    filter.key = byId('timeline-key').value.trim();
    filter.process = byId('timeline-process').value.trim();
    ranges = filter.process === '' ? null : parseProcesses(filter.process) ?? [];
    byId('timeline-process').setAttribute('aria-invalid', filter.process !== '' && ranges.length === 0);
    for (const box of root.querySelectorAll('[data-class]')) filter.classes[box.dataset.class] = box.checked;
    remember();
    redraw();
  }

  function hit(event) {
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const lane = Math.floor((y - HEAD) / LANE);
    if (x < LEFT || lane < 0 || lane >= lanes.length) return -1;
    let best = -1;
    let least = 4;
    for (const i of shown) {
      if (laneOf.get(process[i]) !== lane) continue;
      const [a, b] = barOf(i);
      const far = x < a ? a - x : x > b ? x - b : 0;
      // Of those that lie there the shortest, so that an endless one does not hide others.
      if (far < least || (far === 0 && best >= 0 && to[i] - from[i] < to[best] - from[best])) {
        least = far;
        best = i;
      }
    }
    return best;
  }

  function hover(event) {
    const box = canvas.getBoundingClientRect();
    const y = event.clientY - box.top;
    let words = '';
    const i = hit(event);
    if (i >= 0) {
      words = `${label(i, false)}${keyName(i) === '' ? '' : `, key ${keyName(i)}`}\nprocess ${process[i]}${nodeName(i) === '' ? '' : ` → ${nodeName(i)}`}, ${CLASSES[cls[i]]}${error(i) === '' ? '' : `: ${error(i)}`}\n${ms(from[i])} ms, ${took(i)}`;
    } else if (y < HEAD) {
      const t = tOf(event.clientX - box.left);
      const now = data.faults.filter((fault) => fault.from_ms <= t && fault.to_ms >= t);
      words = now.map((fault) => `${fault.name} (${fault.hold})\n${fault.detail}`).join('\n');
    }
    tip.hidden = words === '';
    tip.textContent = words;
    if (!tip.hidden) {
      const x = event.clientX - box.left + 14;
      tip.style.left = `${Math.min(x, box.width - tip.offsetWidth - 4)}px`;
      tip.style.top = `${y + 16}px`;
    }
  }

  function listen() {
    let drag = null;
    canvas.addEventListener('pointerdown', (event) => {
      drag = { x: event.clientX, from: view.from, to: view.to, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (drag === null) return hover(event);
      const by = event.clientX - drag.x;
      if (Math.abs(by) > 3) drag.moved = true;
      if (drag.moved) {
        const perPixel = (drag.to - drag.from) / (width - LEFT - 8);
        show(drag.from - by * perPixel, drag.to - by * perPixel);
      }
    });
    canvas.addEventListener('pointerup', (event) => {
      if (drag !== null && !drag.moved) select(hit(event));
      drag = null;
    });
    canvas.addEventListener('pointerleave', () => {
      tip.hidden = true;
    });
    canvas.addEventListener('dblclick', (event) => zoom(0.4, tOf(event.clientX - canvas.getBoundingClientRect().left)));
    canvas.addEventListener('wheel', (event) => {
      // Without a key the page scrolls.
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      const by = event.deltaY === 0 ? event.deltaX : event.deltaY;
      zoom(Math.exp(Math.sign(by) * Math.min(1, Math.abs(by) / 200)), tOf(event.clientX - canvas.getBoundingClientRect().left));
    }, { passive: false });
    canvas.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const actions = {
        ArrowLeft: () => pan(-0.25), ArrowRight: () => pan(0.25), '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2),
        n: () => neighbour(1), p: () => neighbour(-1), c: () => nextConflict(), f: () => nextFault(), 0: () => show(0, data.end_ms),
        Escape: () => select(-1),
      };
      const action = actions[event.key];
      if (action) {
        event.preventDefault();
        action();
      }
    });
    let chosen = null;
    overview.addEventListener('pointerdown', (event) => {
      overview.setPointerCapture(event.pointerId);
      chosen = event.offsetX;
    });
    const timeAt = (x) => (x / overview.clientWidth) * data.end_ms;
    overview.addEventListener('pointermove', (event) => {
      if (chosen === null) return;
      if (Math.abs(event.offsetX - chosen) > 4) show(timeAt(Math.min(chosen, event.offsetX)), timeAt(Math.max(chosen, event.offsetX)));
    });
    overview.addEventListener('pointerup', (event) => {
      if (chosen !== null && Math.abs(event.offsetX - chosen) <= 4) {
        const half = (view.to - view.from) / 2;
        show(timeAt(event.offsetX) - half, timeAt(event.offsetX) + half);
      }
      chosen = null;
    });
    const actions = { left: () => pan(-0.5), right: () => pan(0.5), in: () => zoom(0.5), out: () => zoom(2), all: () => show(0, data.end_ms), conflict: nextConflict, fault: nextFault };
    for (const button of root.querySelectorAll('[data-do]')) button.addEventListener('click', actions[button.dataset.do]);
    for (const input of root.querySelectorAll('#timeline-key, #timeline-process, [data-class]')) input.addEventListener('input', readFilter);
    byId('timeline-goto').addEventListener('change', (event) => {
      const words = event.target.value.trim();
      if (/^\d+$/.test(words)) goTo(Number(words), true);
    });
    byId('timeline-list-box').addEventListener('toggle', list);
    window.addEventListener('hashchange', () => {
      if (location.hash !== own) follow();
    });
    window.addEventListener('resize', redraw);
    for (const query of ['(prefers-color-scheme: dark)', 'print']) {
      window.matchMedia(query).addEventListener('change', () => {
        readColours();
        draw();
      });
    }
  }
  function nextConflict() {
    conflictPicked += 1;
    showConflict(conflictPicked);
  }

  // ---- begin ----
  root.hidden = false;
  readColours();
  const keys = new Map();
  for (let i = 0; i < count; i++) keys.set(keyName(i), (keys.get(keyName(i)) ?? 0) + 1);
  for (const key of [...keys.keys()].slice(0, 500)) {
    const option = document.createElement('option');
    option.value = key;
    byId('timeline-keys').append(option);
  }
  if (data.conflicts.length === 0) root.querySelector('[data-do=conflict]').hidden = true;
  if (data.faults.length === 0) root.querySelector('[data-do=fault]').hidden = true;
  listen();
  // Where an operation is drawn, in pixels of the page's window; for tests and for scripts of others.
  root.whereIs = (number) => {
    draw();
    const i = place(number);
    const lane = i < 0 ? undefined : laneOf.get(process[i]);
    if (lane === undefined) return null;
    const box = canvas.getBoundingClientRect();
    const [a, b] = barOf(i);
    return { x: box.left + (Math.max(a, LEFT) + Math.min(b, width)) / 2, y: box.top + yOf(lane) + LANE / 2 };
  };
  detail();
  if (location.hash.length <= 1 || !follow()) {
    if (location.hash.length <= 1 && data.conflicts.length > 0) nextConflict();
  }
  draw();
})();
