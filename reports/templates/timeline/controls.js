// The timeline of a report, last part: mouse, keyboard, buttons and address move what is shown. Then it
// begins.

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
  const isSelectedInView = selected >= 0 && from[selected] >= view.from && from[selected] <= view.to;
  const at = centre ?? (isSelectedInView ? from[selected] : (view.from + view.to) / 2);
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
    const isPart = view.from > 0 || view.to < data.end_ms;
    if (isPart) parts.push(`t=${view.from.toFixed(DIGITS)}-${view.to.toFixed(DIGITS)}`);
    if (filter.key !== '') parts.push(`key=${encodeURIComponent(filter.key)}`);
    if (filter.process !== '') parts.push(`process=${encodeURIComponent(filter.process)}`);
    own = parts.length > 0 ? `#${parts.join('&')}` : '';
    if (location.hash === own) return;
    history.replaceState(null, '', own === '' ? location.pathname + location.search : own);
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
    ? `Operation ${number} is not on this page, which has ${grouped(count)} of ${grouped(data.total)} operations;` +
      ' it is in history.jsonl.'
    : `Operation ${number} does not exist; the last one is ${data.total - 1}.`;
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
    // The shortest of several, so that one that never ended does not hide others.
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
    const key = keyName(i) === '' ? '' : `, key ${keyName(i)}`;
    const node = nodeName(i) === '' ? '' : ` → ${nodeName(i)}`;
    const why = error(i) === '' ? '' : `: ${error(i)}`;
    words = [
      `${label(i, false)}${key}`,
      `process ${process[i]}${node}, ${CLASSES[cls[i]]}${why}`,
      `${ms(from[i])} ms, ${took(i)}`,
    ].join('\n');
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
  const timeUnder = (event) => tOf(event.clientX - canvas.getBoundingClientRect().left);
  canvas.addEventListener('dblclick', (event) => zoom(0.4, timeUnder(event)));
  canvas.addEventListener('wheel', (event) => {
    // Without one of these keys the page scrolls.
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const by = event.deltaY === 0 ? event.deltaX : event.deltaY;
    zoom(Math.exp(Math.sign(by) * Math.min(1, Math.abs(by) / 200)), timeUnder(event));
  }, { passive: false });
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowLeft: () => pan(-0.25), ArrowRight: () => pan(0.25),
      '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2),
      n: () => neighbour(1), p: () => neighbour(-1), c: () => nextConflict(), f: () => nextFault(),
      0: () => show(0, data.end_ms),
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
    const at = event.offsetX;
    if (Math.abs(at - chosen) > 4) show(timeAt(Math.min(chosen, at)), timeAt(Math.max(chosen, at)));
  });
  overview.addEventListener('pointerup', (event) => {
    if (chosen !== null && Math.abs(event.offsetX - chosen) <= 4) {
      const half = (view.to - view.from) / 2;
      show(timeAt(event.offsetX) - half, timeAt(event.offsetX) + half);
    }
    chosen = null;
  });
  const actions = {
    left: () => pan(-0.5), right: () => pan(0.5), in: () => zoom(0.5), out: () => zoom(2),
    all: () => show(0, data.end_ms), conflict: nextConflict, fault: nextFault,
  };
  for (const button of root.querySelectorAll('[data-do]')) {
    button.addEventListener('click', actions[button.dataset.do]);
  }
  for (const input of root.querySelectorAll('#timeline-key, #timeline-process, [data-class]')) {
    input.addEventListener('input', readFilter);
  }
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
// Where an operation is drawn, in pixels of the window: for tests and other scripts.
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
