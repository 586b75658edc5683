// The timeline of a report, second part: draws what is shown.

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
  // Stretches of time whose operations are not all on the page.
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
    const secondDigits = digits >= 3 ? digits - 3 : step < 1000 ? 1 : 0;
    c.fillText(inSeconds ? `${(t / 1000).toFixed(secondDigits)} s` : `${t.toFixed(digits)} ms`, x, top - 8);
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
  // Which node led, in which term.
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

// A text that is too long ends in dots, so that it does not look complete.
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
      const words = right - left > 240
        ? 'some operations are left out here: zoom in or filter to see those on this page'
        : 'left out';
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
  // Where many bars share a pixel, one of each class is enough.
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
    const isLabelled = role !== undefined || i === selected || (b - a > 26 && !isAside(i));
    if (isLabelled) labelled.push([i, left, right, lane, role]);
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
      // Beside it, over whatever is there.
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
const isDark = () =>
  window.matchMedia('(prefers-color-scheme: dark)').matches && !window.matchMedia('print').matches;
// Letters on a bar.
const inkOn = (what) => {
  if (what === 'role') return '#ffffff';
  if (what === 0 || what === 3) return isDark() ? '#0d1117' : '#ffffff';
  return '#1f2328';
};

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
    c.fillText('no operation on this page matches the filter here', (LEFT + width) / 2, HEAD + 10);
  }
  drawOverview();
  describe();
}
